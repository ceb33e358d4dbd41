import type { CommandRequest } from '../input/request.ts'
import { Failure } from '../lib/failure.ts'
import { input, inputs, spoken } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import type { ServerState } from '../postgres/state.ts'
import { notAlterable, notMember, privileged, secretOf, unreadable } from '../provision/refusals.ts'
import type { ChildEnd } from './child.ts'
import type { Wanted } from '../provision/wanted.ts'

/** Returns why no login for a command may be made of the application's role; nothing where it may. */
export function refuseCommand(server: ServerState, wanted: Wanted): Failure | undefined {
  const { role, database, membership } = server
  const first = `It is made by ${spoken().provisioning}; if it is there, check ${inputs('app-database', 'app-username')}.`
  if (role === undefined) {
    return new Failure('role-not-found', `PostgreSQL has no role "${oneLine(wanted.username)}" to act as.`, [
      first,
    ])
  }
  if (role.unreadable) return unreadable(wanted)
  if (role.marker !== undefined && role.marker.secret !== wanted.secret) {
    const same = secretOf(role.marker, wanted) ?? `${inputs('app-namespace', 'app-secret')} to these names`
    return new Failure(
      'role-claimed',
      `Role "${oneLine(wanted.username)}" belongs to ${role.marker.secret}, and this run names ${wanted.secret}.`,
      [
        `If it is the role of this application: set ${same}.`,
        `If it belongs to another one: check ${inputs('app-database', 'app-username')}.`,
      ],
    )
  }
  if (role.dangers.length > 0) return privileged(role.dangers, wanted)
  if (database === undefined) {
    return new Failure('database-not-found', `PostgreSQL has no database "${oneLine(wanted.database)}".`, [
      first,
    ])
  }
  if (!role.alterable) return notAlterable(server, wanted)
  if (!membership.grantable) return notMember(server, wanted)
  if (role.marker === undefined) {
    return new Failure(
      'role-not-ours',
      `Role "${oneLine(wanted.username)}" exists, and nothing says that it belongs to ${wanted.secret}.`,
      [`A command gets all rights of the role. Claim the role first, by ${spoken().provisioning}.`],
    )
  }
  return undefined
}

/** Returns what is wrong with how a command ended; nothing where it ended well. */
export function failureOfCommand(
  ended: ChildEnd | undefined,
  { timeoutMs = 0 }: Pick<CommandRequest, 'timeoutMs'>,
): Failure | undefined {
  if (ended?.timedOut === true) {
    return new Failure(
      'command-timeout',
      `The command did not end within its ${timeoutMs / 1000} s and was stopped.`,
      [`If it needs longer, give it more time: ${input('exec-timeout')}.`],
    )
  }
  if (ended === undefined || ended.exitCode === 0) return undefined
  const { exitCode } = ended
  const signal = exitCode > 128 ? `, as after signal ${exitCode - 128}` : ''
  return new Failure('command-failed', `The command ended with exit code ${exitCode}${signal}.`, [
    'Its output is above.',
  ])
}
