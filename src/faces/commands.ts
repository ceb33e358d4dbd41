import { parametersOf, type NamedParameter, type Parameter, type ParameterName } from '../input/parameters.ts'
import { goLiveModes } from '../input/ref.ts'

/** What the command line can be asked for. */
export const commandNames = ['provision', 'go-live', 'exec', 'rights', 'completion'] as const

/** One of them. */
export type CommandName = (typeof commandNames)[number]

/** Returns the variable that stands for an option. */
export function variableOf(name: string): string {
  return `PG_APP_USER_${name.toUpperCase().replaceAll('-', '_')}`
}

/** What says what to change. */
const unneeded: readonly ParameterName[] = [
  'app-sslmode',
  'secret-format',
  'database-owner',
  'extensions',
  'connect-roles',
  'role-settings',
  'existing',
  'dry-run',
]

/** What of the table a command has, and what it fixes there. */
const tables: Record<
  CommandName,
  {
    readonly has: (name: ParameterName) => boolean
    readonly fixes: Partial<Record<ParameterName, Partial<Omit<Parameter, 'name'>>>>
  }
> = {
  provision: { has: (name) => !name.startsWith('exec-'), fixes: {} },
  exec: {
    // What is there already is neither made nor judged.
    has: (name) =>
      !unneeded.includes(name) &&
      !name.startsWith('go-live') &&
      !['unproven', 'release-branches'].includes(name),
    fixes: {},
  },
  'go-live': {
    // The gate alone has no use for what says what to change.
    has: (name) => !unneeded.includes(name) && name !== 'unproven' && !name.startsWith('exec-'),
    fixes: {
      // A gate that is off is no gate.
      'go-live': { options: goLiveModes.filter((mode) => mode !== 'off'), default: 'enforce' },
      'go-live-profile': { required: true, description: 'The plan that was ordered.' },
    },
  },
  rights: {
    has: (name) =>
      [
        'api-server-audience',
        'access-secret',
        'access-namespace',
        'via',
        'app-secret',
        'app-namespace',
        'secret-format',
        'dry-run',
      ].includes(name),
    // There is no context here whose namespace could stand in.
    fixes: { 'app-namespace': { required: true, description: 'Namespace of the application Secret.' } },
  },
  completion: { has: () => false, fixes: {} },
}

/** Returns the parameters of a command: those of the table, as the command has them. */
export function parametersOfCommand(command: CommandName): readonly NamedParameter[] {
  const { has, fixes } = tables[command]
  return parametersOf('cli')
    .filter(({ name }) => has(name))
    .map((parameter) => ({ ...parameter, ...fixes[parameter.name] }))
}
