import packageJson from '../../package.json' with { type: 'json' }

/** The version of this tool. */
export const { version } = packageJson

/** Where the documents of this major version can be read. */
export const documents = 'https://github.com/elastisys/pg-app-user/blob/v1/docs'
