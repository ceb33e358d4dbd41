import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from './object.ts'
import { apiVersionOf, namespaces, type Resource } from './resources.ts'
import { matchesFields, matchesLabels } from './selectors.ts'
import { alreadyExists, badRequest, conflict, invalid, notFound, StatusError, type Cause } from './status.ts'

/** Which objects a list gives: queries in the syntax of `kubectl get -l` and `--field-selector`. */
export interface Selection {
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

/**
 * The objects of the cluster, with the rules that the API server has for them: one counter for all resource
 * versions, guards against lost updates, and the checks of Secrets. Refusals are thrown as StatusError.
 * What goes in and what comes out are copies.
 */
export class Store {
  readonly #objects = new Map<string, KubeObject>()
  #version = 1000

  /** The newest resource version of all. */
  get resourceVersion(): string {
    return String(this.#version)
  }

  find(resource: Resource, namespace: string | undefined, name: string): KubeObject | undefined {
    const found = this.#objects.get(keyOf(resource, namespace, name))
    return found && copyOf(found)
  }

  get(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const found = this.find(resource, namespace, name)
    if (!found) throw notFound(resource, name)
    return found
  }

  /** Gives the objects of one namespace, or of all when it is undefined, ordered by namespace and name. */
  list(resource: Resource, namespace: string | undefined, selection: Selection = {}): KubeObject[] {
    const prefix = keyOf(resource, namespace, '')
    return [...this.#objects]
      .filter(([key]) => key.startsWith(namespace === undefined ? `${typeOf(resource)}|` : prefix))
      .map(([, object]) => object)
      .filter((object) => matchesLabels(object, selection.labelSelector))
      .filter((object) => matchesFields(object, resource, selection.fieldSelector))
      .sort((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1))
      .map((object) => copyOf(object))
  }

  /** Stores a new object, in a namespace that must be there. Without `persist` everything but that happens. */
  create(resource: Resource, namespace: string | undefined, given: unknown, persist = true): KubeObject {
    const object = settle(resource, namespace, given)
    if (namespace !== undefined) this.get(namespaces, undefined, namespace)
    object.metadata.name ||= generatedName(object.metadata.generateName)
    object.metadata.uid = randomUUID()
    object.metadata.creationTimestamp = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    delete object.metadata.resourceVersion
    refuse(resource, object, nameCauses(resource, object))
    const key = keyOf(resource, namespace, object.metadata.name)
    if (this.#objects.has(key)) throw alreadyExists(resource, object.metadata.name)
    return persist ? this.#keep(key, object) : object
  }

  /** Replaces an object as PUT does: guarded by `uid` and `resourceVersion` where they are given. */
  replace(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    given: unknown,
    persist = true,
  ): KubeObject {
    const current = this.get(resource, namespace, name)
    const object = settle(resource, namespace, given)
    requireName(object, name)
    const { uid } = object.metadata
    if (uid !== undefined && uid !== current.metadata.uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ''}`,
      )
    }
    return this.#change(resource, current, object, persist)
  }

  /** Applies a JSON merge patch (RFC 7386), guarded like `replace`. */
  patch(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    persist = true,
  ): KubeObject {
    const current = this.get(resource, namespace, name)
    if (!isRecord(patch)) {
      throw invalid(resource, '', [
        { field: 'patch', reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(patch)}` },
      ])
    }
    const object = patched(resource, namespace, merge(current, patch))
    requireName(object, name)
    return this.#change(resource, current, object, persist)
  }

  /** Removes an object; a namespace goes with everything in it. */
  remove(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const object = this.get(resource, namespace, name)
    this.#objects.delete(keyOf(resource, namespace, name))
    if (resource.kind === 'Namespace') {
      for (const [key, { metadata }] of this.#objects) {
        if (metadata.namespace === name) this.#objects.delete(key)
      }
    }
    this.#version += 1
    return object
  }

  #change(resource: Resource, current: KubeObject, object: KubeObject, persist: boolean): KubeObject {
    const { name, resourceVersion, creationTimestamp } = current.metadata
    const expected = object.metadata.resourceVersion
    if (expected !== undefined && expected !== resourceVersion) throw conflict(resource, name)
    object.metadata = { ...object.metadata, uid: object.metadata.uid ?? current.metadata.uid ?? '' }
    if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion
    if (creationTimestamp !== undefined) object.metadata.creationTimestamp = creationTimestamp
    refuse(resource, object, changeCauses(current, object))
    if (isDeepStrictEqual(object, current) || !persist) return object
    return this.#keep(keyOf(resource, object.metadata.namespace, name), object)
  }

  #keep(key: string, object: KubeObject): KubeObject {
    this.#version += 1
    object.metadata.resourceVersion = String(this.#version)
    this.#objects.set(key, object)
    return copyOf(object)
  }
}

function typeOf(resource: Resource): string {
  return `${resource.plural}.${resource.group}`
}

function keyOf(resource: Resource, namespace: string | undefined, name: string): string {
  return `${typeOf(resource)}|${namespace ?? ''}|${name}`
}

function orderOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

/** By way of text, as over the wire; this also leaves out what is undefined. */
function copyOf<T>(object: T): T {
  return JSON.parse(JSON.stringify(object)) as T
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(merged, field)
    else merged[field] = merge(merged[field], value)
  }
  return merged
}

/** Gives what was sent as a whole object of this resource and namespace, with the defaults filled in. */
function settle(resource: Resource, namespace: string | undefined, given: unknown): KubeObject {
  if (!isRecord(given)) {
    throw badRequest(`the object provided is unrecognized (must be of type ${resource.kind})`)
  }
  const { apiVersion = apiVersionOf(resource), kind = resource.kind } = given
  if (apiVersion !== apiVersionOf(resource) || kind !== resource.kind) {
    throw badRequest(
      `${String(kind)} in version "${String(apiVersion)}" cannot be handled as a ${resource.kind}`,
    )
  }
  const metadata = isRecord(given['metadata']) ? given['metadata'] : {}
  if (resource.namespaced && (metadata['namespace'] ?? namespace) !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  const object = copyOf({
    ...given,
    apiVersion,
    kind,
    metadata: { name: '', ...metadata, ...(namespace === undefined ? {} : { namespace }) },
  }) as KubeObject
  if (resource.kind === 'Secret') settleSecret(object)
  if (resource.kind === 'Namespace') object['status'] ??= { phase: 'Active' }
  return object
}

/** As `settle`; what an object of this kind cannot hold is the patch's fault, and the answer shows all of it. */
function patched(resource: Resource, namespace: string | undefined, merged: unknown): KubeObject {
  try {
    return settle(resource, namespace, merged)
  } catch (thrown) {
    if (!(thrown instanceof StatusError && thrown.message.includes('decode base64'))) throw thrown
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(merged))}: ${thrown.message}`
    throw invalid(resource, '', [{ field: 'patch', reason: 'FieldValueInvalid', message }])
  }
}

function settleSecret(secret: KubeObject): void {
  const { data = {}, stringData = {} } = secret as { data?: unknown; stringData?: unknown }
  if (!isRecord(data) || !isRecord(stringData)) {
    throw badRequest('Secret in version "v1" cannot be handled as a Secret: data is no map')
  }
  for (const value of Object.values(data)) {
    if (typeof value !== 'string' || Buffer.from(value, 'base64').toString('base64') !== value) {
      throw badRequest(
        'Secret in version "v1" cannot be handled as a Secret: v1.Secret.Data: decode base64: illegal base64 data at input byte 0',
      )
    }
  }
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString('base64'),
  ])
  const all: unknown = { ...data, ...Object.fromEntries(encoded) }
  delete secret['stringData']
  if (isRecord(all) && Object.keys(all).length > 0) secret['data'] = all
  else delete secret['data']
  secret['type'] ??= 'Opaque'
}

function generatedName(prefix: string | undefined): string {
  return prefix ? `${prefix}${randomUUID().slice(0, 5)}` : ''
}

function requireName(object: KubeObject, name: string): void {
  if (!object.metadata.name) {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    )
  }
  if (object.metadata.name !== name) {
    throw badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    )
  }
}

function refuse(resource: Resource, object: KubeObject, causes: readonly Cause[]): void {
  if (causes.length > 0) throw invalid(resource, object.metadata.name, causes)
}

const subdomain = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'
const configKey = '[-._a-zA-Z0-9]+'

function nameCauses(resource: Resource, object: KubeObject): Cause[] {
  const { name } = object.metadata
  if (!name) {
    return [
      {
        field: 'metadata.name',
        reason: 'FieldValueRequired',
        message: 'Required value: name or generateName is required',
      },
    ]
  }
  // Names of roles and bindings are free, colons included, but for what would end a part of a path.
  const free = resource.group === 'rbac.authorization.k8s.io'
  const causes: Cause[] = ['/', '%']
    .filter((sign) => free && name.includes(sign))
    .map((sign) => ({
      field: 'metadata.name',
      reason: 'FieldValueInvalid',
      message: `Invalid value: "${name}": may not contain '${sign}'`,
    }))
  if (!free && !new RegExp(`^${subdomain}$`).test(name)) {
    causes.push({
      field: 'metadata.name',
      reason: 'FieldValueInvalid',
      message: `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`,
    })
  }
  return [...causes, ...dataCauses(object)]
}

function dataCauses(object: KubeObject): Cause[] {
  if (object.kind !== 'Secret') return []
  return Object.keys(object['data'] ?? {})
    .filter((key) => !new RegExp(`^${configKey}$`).test(key))
    .map((key) => ({
      field: `data[${key}]`,
      reason: 'FieldValueInvalid',
      message: `Invalid value: "${key}": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '${configKey}')`,
    }))
}

function changeCauses(current: KubeObject, object: KubeObject): Cause[] {
  const causes = dataCauses(object)
  const fixed = (field: string, value: unknown): Cause => ({
    field,
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${JSON.stringify(value)}: field is immutable`,
  })
  if (object.metadata.uid !== current.metadata.uid) causes.push(fixed('metadata.uid', object.metadata.uid))
  if (object.kind === 'RoleBinding' && !isDeepStrictEqual(object['roleRef'], current['roleRef'])) {
    causes.push({
      field: 'roleRef',
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(object['roleRef'])}: cannot change roleRef`,
    })
  }
  if (object.kind !== 'Secret') return causes
  if (object['type'] !== current['type']) causes.push(fixed('type', object['type']))
  if (current['immutable'] === true) {
    for (const field of ['immutable', 'data']) {
      if (!isDeepStrictEqual(object[field], current[field])) {
        causes.push({
          field,
          reason: 'FieldValueForbidden',
          message: 'Forbidden: field is immutable when `immutable` is set',
        })
      }
    }
  }
  return causes
}
