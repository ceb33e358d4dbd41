import type { Answered, ListOf } from '../kubernetes/ask.ts'

/** The labels of an object. */
export type Labels = Readonly<Record<string, string>>

/** What a Secret that leads to PostgreSQL may tell. */
export type AccessPart =
  'host' | 'port' | 'user' | 'password' | 'sslMode' | 'service' | 'database' | 'replicaHost' | 'ca'

/** Under which keys a Secret holds what. Several keys are several spellings of the same. */
export type AccessKeys = Readonly<Partial<Record<AccessPart, readonly string[]>>>

/** What a Secret shows of itself: nothing that is secret. */
export interface SecretSight {
  readonly name: string
  readonly labels: Labels
}

/** One operator that keeps PostgreSQL on Kubernetes: everything that is known about it. */
export interface Provider {
  /** `cloudnativepg`. */
  readonly id: string
  /** As people call it: `CloudNativePG`. */
  readonly name: string
  /** How the Secrets look that it hands logins out with. */
  readonly secretKeys: AccessKeys
  /** With which sslmode its servers let people in as it sets them up. */
  readonly sslMode: 'require'
  /** The label by which it says what a Pod is, and the values that mean the one that takes writes. */
  readonly role: { readonly label: string; readonly primary: readonly string[] }
  /** The role through which its connection pooler logs in. */
  readonly poolerRole: string
  /** What the go-live gate reads of its resources, beside Pods. */
  readonly readings: readonly Reading[]
  /** Returns the cluster that a Secret gives a login to, absent where it is none that this operator made. */
  secretOf(secret: SecretSight): string | undefined
  /** Returns the Services of a cluster: the one whose name applications use, and the one that leads to the primary's Pod. */
  servicesOf(cluster: string): { readonly host: string; readonly forward: string }
  /** Returns what to write into its resource, one line each, for a role that is to create roles and databases. */
  admit(role: string): readonly string[]
  /** Returns the cluster that a Pod with these labels belongs to, absent where it is none of its own. */
  clusterOf(labels: Labels): ClusterLabels | undefined
  /** Says whether a Pod with the labels of a cluster is one of its instances, and no pooler or backup repository. */
  isInstance(labels: Labels): boolean
  /** Looks at what the resources of a cluster say. */
  observe(look: Look, cluster: string): Promise<ProviderSight>
}

/** What all Pods of a cluster have in common. */
interface ClusterLabels {
  /** Of the cluster, as its operator knows it. */
  readonly name: string
  readonly selector: Labels
}

/** One right to read. */
export interface Reading {
  readonly verb: 'get' | 'list'
  readonly group: string
  readonly resource: string
  /** The name of the one object, from that of the cluster. */
  readonly object?: (cluster: string) => string
}

/** What the resources of a provider tell about. */
export type ProviderTopic = 'operator' | 'schedule' | 'backups'

/** A look at the namespace of the database, with the provider's readings as the rights to it. */
export interface Look {
  get<Body>(group: string, version: string, resource: string, name: string): Promise<Answered<Body>>
  list<Item>(
    group: string,
    version: string,
    resource: string,
    labels?: Labels,
  ): Promise<Answered<ListOf<Item>>>
  /** Returns the first version in which the API server has a resource, else the first one. */
  servedVersion(group: string, resource: string, versions: readonly [string, ...string[]]): Promise<string>
  /** Keeps an answer as evidence, in these words; or that it could not be read. */
  note<Body>(topic: ProviderTopic, answered: Answered<Body>, words: (body: Body) => string): void
}

/** What the resources of a cluster say. */
export interface ProviderSight {
  readonly operator: OperatorSight | undefined
  readonly schedules: readonly ScheduleSight[]
  readonly backups: readonly BackupRun[]
  /** How long logical backups are kept, where that is configured in sight. */
  readonly logicalRetention?: string | undefined
}

/** What an operator says about the cluster in its custom resource. */
export interface OperatorSight {
  /** `postgresqls.acid.zalan.do shop`. */
  readonly what: string
  readonly wantedInstances: number | undefined
  /** Absent where the operator does not count them. */
  readonly readyInstances: number | undefined
  readonly status: string
  /** How long backups are kept, where it is configured there, and by which of its settings. */
  readonly retention?: { readonly days: number; readonly setting: string }
  /** Whether archiving works; absent where the operator does not say. */
  readonly archives?: boolean
  /** Since when the last backup counts as failed, and why, where the operator says so. */
  readonly backupFailure?: { readonly at: Date | undefined; readonly message: string }
}

/** A full backup that was seen. */
export interface BackupRun {
  /** What it was: `logical backup, Pod logical-backup-shop-28912345-x2x4v`. */
  readonly what: string
  readonly started?: Date
  readonly finished?: Date
  readonly succeeded: boolean
  /** Whether something else leaves the same mark: the copy that a new standby is made from. */
  readonly doubtful?: true
}

/** One schedule of backups that was seen. */
export interface ScheduleSight {
  /** `CronJob logical-backup-shop`. */
  readonly what: string
  readonly cron: string
  readonly zone: string
  /** Whether it begins with seconds. */
  readonly seconds?: true
  /** Why it does not run, where it does not. */
  readonly off?: string
}
