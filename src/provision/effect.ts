/** What a run can change. */
export const changeObjects = [
  'role',
  'database',
  'grants',
  'extension',
  'setting',
  'secret',
  'binding',
] as const

/** How it can change it. */
export const changeActions = [
  'created',
  'password-set',
  'noted',
  'marked',
  'owner-changed',
  'granted',
  'set',
  'repaired',
] as const

/** What a change is in the outputs: one thing that was changed, or under `dry-run` would be. */
export interface Effect {
  readonly object: (typeof changeObjects)[number]
  /** The role, database, extension, setting of the role, or `namespace/name` of the Secret or service binding. */
  readonly name: string
  readonly action: (typeof changeActions)[number]
}
