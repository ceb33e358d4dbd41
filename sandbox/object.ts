/** What every object carries about itself. */
export interface Metadata {
  name: string
  namespace?: string
  generateName?: string
  uid?: string
  resourceVersion?: string
  creationTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: Record<string, unknown>[]
  managedFields?: unknown[]
}

/** An object as it travels; beyond its metadata any content is kept as it came. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  [field: string]: unknown
}
