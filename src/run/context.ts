import type { ProvisionRequest } from '../input/request.ts'
import type { Deadline } from '../lib/deadline.ts'
import type { Admin, Sessions } from '../postgres/sessions.ts'
import type { Wanted } from '../provision/wanted.ts'
import type { Journal } from './journal.ts'
import type { Cluster } from './target.ts'

/** What every step of a run needs. */
export interface Run {
  readonly request: ProvisionRequest
  readonly cluster: Cluster
  /** As whom the run logs in, and what it holds the server against. */
  readonly admin: Admin
  readonly sessions: Sessions
  readonly journal: Journal
  readonly deadline: Deadline
  readonly wanted: Wanted
}
