import { Failure } from '../failure.ts'
import { statusMessage } from '../kubernetes/api-failure.ts'
import type { Api } from '../kubernetes/api.ts'
import { oneLine } from '../text.ts'
import type { Evidence, OptionalRight, Unread } from './finding.ts'

/** What came of asking the API server for something that the gate can do without. */
export interface Answered<Body> {
  /** Absent where there is no such thing, or where it may not be read. */
  readonly body: Body | undefined
  /** There where it could not be read. */
  readonly unread?: Unread
  readonly path: string
  readonly at: Date
}

/** A list of objects. */
export interface ListOf<Item> {
  readonly items?: readonly Item[]
}

/** Asks for something that the gate can do without: lacking the right to it is an answer as well. */
export async function ask<Body>(
  api: Api,
  path: string,
  right: Omit<OptionalRight, 'asked'>,
): Promise<Answered<Body>> {
  const at = new Date()
  const wanted: OptionalRight = { ...right, asked: false }
  try {
    const { status, body } = await api.request({ method: 'GET', path })
    if (status === 200) return { body: body as Body, path, at }
    if (status === 404) return { body: undefined, path, at }
    if (status === 403) return { body: undefined, unread: { right: wanted }, path, at }
    const failed = `${status}: ${statusMessage(body)}`
    return { body: undefined, unread: { right: wanted, failed }, path, at }
  } catch (error) {
    if (error instanceof Failure && error.code === 'api-server-error') {
      return { body: undefined, unread: { right: wanted, failed: error.message }, path, at }
    }
    throw error
  }
}

/** Returns the one of these rights that is about a resource. */
export function rightTo(resource: string, rights: readonly OptionalRight[]): OptionalRight {
  const right = rights.find((one) => one.resource === resource)
  if (right === undefined) throw new Error(`the gate has no right for ${resource}`)
  return right
}

/** Returns the words of a right: `list cronjobs (batch) in postgres-system`. */
function rightWords(right: OptionalRight): string {
  const { verb, resource, name = '' } = right
  return `${`${verb} ${resource} ${name}`.trimEnd()}${placeWords(right)}`
}

/** Returns where a right is about something: ` (batch) in postgres-system`. */
export function placeWords({ group, namespace }: OptionalRight): string {
  return `${group === '' ? '' : ` (${group})`} in ${namespace}`
}

/** Returns what was asked and answered as evidence. */
export function evidenceOf<Body>(answered: Answered<Body>, answer: (body: Body) => string): Evidence {
  const { body, unread, path, at } = answered
  const said =
    body !== undefined
      ? answer(body)
      : unread === undefined
        ? '404: there is none'
        : (unread.failed ?? `403: the right to ${rightWords(unread.right)} is missing`)
  return { query: `GET ${decodeURIComponent(path)}`, answer: oneLine(said, 600), at }
}

/** Returns the terms of a label selector as a query. */
export function labelQuery(terms: readonly string[]): string {
  return `labelSelector=${encodeURIComponent(terms.join(','))}`
}

/** Returns the terms of a label selector that asks for exactly these labels. */
export function equal(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`)
}
