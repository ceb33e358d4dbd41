import type { RoleSetting } from '../postgres/role-setting.ts'

/** What a run wants to be true, as far as PostgreSQL is concerned. */
export interface Wanted {
  readonly username: string
  readonly database: string
  /** The role of the access Secret. */
  readonly admin: string
  /** The database of the admin's sessions that are for no particular one. */
  readonly home: string
  /** How the operator that keeps the server gives the admin the rights it needs, where it is known which one does. */
  readonly admission?: {
    readonly provider: string
    readonly resource: readonly string[]
    /** Whether it is known that it made the admin too. */
    readonly madeAdmin: boolean
  }
  /** The application Secret, as `namespace/name`. */
  readonly secret: string
  /** The service binding beside it, as `namespace/name`; absent where none is asked for. */
  readonly binding?: string | undefined
  readonly databaseOwner: 'admin' | 'app' | undefined
  readonly extensions: readonly string[]
  readonly connectRoles: readonly string[]
  /** Of the role, in the database. */
  readonly settings: readonly RoleSetting[]
  /** What the roles are called through which the poolers of operators log in. */
  readonly poolerRoles: readonly string[]
  readonly existing: 'refuse' | 'adopt'
}
