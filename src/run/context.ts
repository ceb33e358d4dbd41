import type { ProvisionRequest } from '../input/request.ts'
import type { Deadline } from '../lib/deadline.ts'
import type { Sessions } from '../postgres/sessions.ts'
import type { Wanted } from '../provision/wanted.ts'
import type { Journal } from './journal.ts'
import type { Cluster } from './target.ts'

/** What every step of a run needs. */
export interface Run {
  readonly request: ProvisionRequest
  readonly cluster: Cluster
  readonly sessions: Sessions
  readonly journal: Journal
  readonly deadline: Deadline
  readonly wanted: Wanted
}
