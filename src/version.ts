import packageJson from '../package.json' with { type: 'json' }

/** The version of this tool. */
export const { version } = packageJson
