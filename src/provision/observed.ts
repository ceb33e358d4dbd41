import type { InsideState } from '../postgres/inside.ts'
import type { Evidence } from '../postgres/login.ts'
import type { ServerState } from '../postgres/state.ts'
import type { ApplicationKey } from '../secrets/application-secret.ts'
import type { BindingKey } from '../secrets/binding.ts'

/** Everything that was found, from which alone is decided what to do. It holds no credential. */
export interface Observed {
  readonly server: ServerState
  /** What is inside the database; of one that is yet to be made, what it will be copied from. Absent until somebody looks. */
  readonly inside?: InsideState
  readonly evidence: Evidence
  /** What the application Secret needs. */
  readonly secret: {
    readonly kind: 'create' | 'repair' | 'keep'
    /** What is to be written. */
    readonly keys: readonly ApplicationKey[]
  }
  /** What the service binding needs, where one is asked for. */
  readonly binding?:
    { readonly kind: 'create' | 'repair' | 'keep'; readonly keys: readonly BindingKey[] } | undefined
  /** Whether the application Secret holds a password. */
  readonly secretHasPassword: boolean
  /** What the Secret itself names of this run. */
  readonly secretNames: { readonly role: boolean; readonly database: boolean; readonly host: boolean }
  /** Whether the public literal of the old manual page logs in. */
  readonly literalLogsIn: boolean
}

/** Says whether a Secret names role, database and host. */
export function namesAll({ role, database, host }: Observed['secretNames']): boolean {
  return role && database && host
}
