import { Failure } from '../lib/failure.ts'
import type { Api } from './api.ts'
import { statusMessage } from './heard.ts'
import type { Right } from './right.ts'

/** A right that a run would like to have and can do without. */
export type OptionalRight = Right & { readonly asked: false }

/** Something that could not be read, so that nobody knows what is there. */
export interface Unread {
  /** What it takes to read it. */
  readonly right: OptionalRight
  /** What the API server said, where it was not the right that was missing. */
  readonly failed?: string
}

/** What came of asking the API server for something that a run can do without. */
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

/** Asks for something that a run can do without: lacking the right to it is an answer as well. */
export async function ask<Body>(
  api: Api,
  path: string,
  right: Omit<OptionalRight, 'asked'>,
): Promise<Answered<Body>> {
  const at = new Date()
  const wanted: OptionalRight = { ...right, asked: false }
  try {
    const { status, body } = await api.request({ method: 'GET', path, optional: true })
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
  if (right === undefined) throw new Error(`there is no right for ${resource}`)
  return right
}

/** Returns the words of a right: `list cronjobs (batch) in postgres-system`. */
export function rightWords(right: OptionalRight): string {
  const { verb, resource, name = '' } = right
  return `${`${verb} ${resource} ${name}`.trimEnd()}${placeWords(right)}`
}

/** Returns where a right is about something: ` (batch) in postgres-system`. */
export function placeWords({ group, namespace }: OptionalRight): string {
  return `${group === '' ? '' : ` (${group})`} in ${namespace}`
}

/** Returns the terms of a label selector as a query. */
export function labelQuery(terms: readonly string[]): string {
  return `labelSelector=${encodeURIComponent(terms.join(','))}`
}

/** Returns the terms of a label selector that asks for exactly these labels. */
export function equal(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`)
}
