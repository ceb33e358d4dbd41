import { Failure } from '../lib/failure.ts'
import { poolerFailure } from '../postgres/failure.ts'
import { doubtAbout } from '../postgres/login.ts'
import type { Session } from '../postgres/session.ts'
import type { ServerState } from '../postgres/state.ts'
import type { Journal } from '../run/journal.ts'
import type { Cluster } from '../run/target.ts'

const oldestVersion = 130_000

/**
 * Makes sure that this is a primary that we understand, with nobody in between, and tells about it once.
 *
 * @throws Failure `pooler-in-between`, `server-version-unsupported`, `target-is-standby`
 */
export function checkServer(
  session: Session,
  server: ServerState,
  { entry, keeper }: Pick<Cluster, 'entry' | 'keeper'>,
  journal: Journal,
  seconds: number,
): void {
  if (session.announcedPid !== server.backendPid) {
    throw poolerFailure(`A connection pooler answers behind ${entry}, not PostgreSQL itself.`)
  }
  if (server.versionNumber < oldestVersion) {
    throw tooOld(server)
  }
  if (server.standby) {
    const { label = '', primary = [] } = keeper?.provider.role ?? {}
    const mark = label === '' ? '' : `: a Service that selects it (${label}=${primary[0] ?? ''})`
    throw new Failure('target-is-standby', `${entry} leads to a standby, which takes no changes.`, [
      'A frequent cause is a switch of the primary at this very moment: run again in a minute.',
      `If the error remains, ask the administrator for what leads to the primary${mark}.`,
    ])
  }
  const doubt = doubtAbout(session, server.admin.name)
  if (doubt !== undefined) journal.note(doubt)
  if (journal.serverVersion !== undefined) return
  journal.serverVersion = server.version
  const encryption = session.encryption ?? 'no TLS'
  const rank = server.admin.superuser ? 'a superuser' : 'no superuser'
  const text = `${server.version} · primary · ${encryption} · admin "${server.admin.name}", ${rank}`
  journal.step('right', 'PostgreSQL', text, seconds)
  journal.row({ subject: 'PostgreSQL', now: `${server.version}, primary, ${encryption}` })
}

/** Returns the error for a server that nobody maintains any more. */
export function tooOld({ version }: Pick<ServerState, 'version'>): Failure {
  return new Failure(
    'server-version-unsupported',
    `PostgreSQL ${version} is too old: 13 to 18 are supported.`,
    ['Ask the administrator for an upgrade; the PostgreSQL project no longer maintains this version either.'],
  )
}
