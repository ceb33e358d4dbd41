import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import type { Reply } from './call.ts'
import { ofKubeconfig } from './endpoint.ts'
import type { Meaning } from './what-it-means.ts'
import { rows, type Asked, type Body, type Row, type Speaker } from './who-spoke.ts'

/** What was heard from the address of an API server. */
export interface Heard {
  readonly asked: Asked
  readonly status: number
  readonly body: Body
  /** Whether an API server signed it as its own: what it only passes on bears no such header. */
  readonly signed: boolean
  /** What was said, in one line of any length; empty where nothing was that may be quoted. */
  readonly words: string
  /** The body, where it is JSON. */
  readonly parsed?: unknown
}

/** Returns what a reply says. A web page is not quoted: it is long, and nothing in it is about this run. */
export function heard(asked: Asked, { status, headers, text }: Reply): Heard {
  const signed = signatures.some((name) => headers[name] !== undefined)
  const parsed = parse(text)
  const type = headers['content-type'] ?? ''
  const about = { asked, status, signed }
  // The API server's own time limit sends a Status as text/plain, so that the body tells rather than its type.
  if (parsed !== undefined) {
    return { ...about, body: isStatus(parsed) ? 'Status' : 'JSON', words: messageOf(parsed), parsed }
  }
  if (text.trim() === '') return { ...about, body: 'none', words: '' }
  if (/\bx?html\b/i.test(type) || /^\s*</.test(text)) return { ...about, body: 'page', words: '' }
  return { ...about, body: 'text', words: oneLine(text, wordsLimit) }
}

/** Returns what a proxy answered to CONNECT, or what came on the channel for errors of a port-forward. */
export function heardAside(asked: 'connect' | 'stream', status: number, text: string): Heard {
  return {
    asked,
    status,
    body: text === '' ? 'none' : 'text',
    signed: false,
    words: oneLine(text, wordsLimit),
  }
}

/** What runtimes say names its cause last, and is longer than what is quoted. */
const wordsLimit = 4_000

/** Audit-Id from Kubernetes 1.21 on, the other one before, where API Priority and Fairness is on. */
const signatures = ['audit-id', 'x-kubernetes-pf-flowschema-uid']

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function isStatus(body: unknown): boolean {
  return (body as { kind?: unknown } | null)?.kind === 'Status'
}

/** Returns what a Status object says, as one line fit to be quoted. Other bodies say nothing. */
export function statusMessage(body: unknown): string {
  return oneLine(message(body))
}

function message(body: unknown): string {
  const said = (body as { message?: unknown } | null)?.message
  return typeof said === 'string' ? oneLine(said, wordsLimit) : ''
}

/** Gateways have their own forms: `message`, `error` or `error.message`. */
function messageOf(body: unknown): string {
  const error = (body as { error?: unknown } | null)?.error
  return message(body) || (typeof error === 'string' ? oneLine(error, wordsLimit) : message(error ?? null))
}

/** Returns who spoke, and what it means: nothing where that is for the caller to judge. */
export function whoSpoke(said: Heard): { readonly speaker: Speaker; readonly means: Meaning | undefined } {
  const row = rows.find((one) => fits(one, said))
  if (row === undefined) throw new Error(`no row for ${said.asked} ${said.status} ${said.body}`)
  const [, , , , speaker, means] = row
  return { speaker, means }
}

function fits([asked, status, body, words]: Row, said: Heard): boolean {
  return (
    asked.includes(said.asked) &&
    hasStatus(status, said.status) &&
    (body === 'any' || (body === 'signed' ? said.signed : body === said.body)) &&
    (words === undefined || words.test(said.words))
  )
}

function hasStatus(wanted: Row[1], status: number): boolean {
  if (wanted === 'any' || wanted === status) return true
  if (typeof wanted === 'string') return wanted.startsWith(String(Math.floor(status / 100)))
  return typeof wanted !== 'number' && wanted.includes(status)
}

/** What stands for the names in a meaning: `server` for `{server}`, and so on. */
export type Names = Readonly<Record<string, string>>

/** What is known beside what was heard. */
interface Known {
  /** What to do, where it is known better than the table knows it. */
  readonly hint?: readonly string[] | undefined
  readonly undone?: boolean
  readonly cause?: unknown
}

/** Returns the error for what was heard. */
export function failureOf(
  means: Meaning,
  { status, words }: Pick<Heard, 'status' | 'words'>,
  names: Names,
  { hint = means.hint, ...options }: Known = {},
): Failure {
  const quote = `"${oneLine(words)}"`
  const all: Names = {
    status: String(status),
    quote,
    said: words === '' ? String(status) : `${status}: ${quote}`,
    ...ofKubeconfig,
    answer: words === '' ? `it answered ${status}` : `${status} ${quote}`,
    ...names,
  }
  // In one go: what was said may hold braces of its own.
  const filled = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => all[name] ?? whole)
  return new Failure(means.code, filled(means.says), hint.map(filled), options)
}

/** The longest that is waited for at once: who asks for more is asked again in between. */
const longestWaitMs = 30_000
/** What is waited for where nothing is asked for, once more with each turn. */
const pauseMs = 500
const longestPauseMs = 5_000
/** How often is asked again where a meaning says `a few times`, or where the run can do without the answer. */
const fewTimes = 4

/**
 * Returns how long to wait before the same is asked again, in milliseconds; nothing where it is not.
 * Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after, with seconds or a date
 *
 * @param turn how often it has been asked again already
 */
export function waitOf(
  { waits }: Meaning,
  headers: Reply['headers'],
  turn: number,
  optional = false,
): number | undefined {
  if (waits === 'no') return undefined
  if (turn >= fewTimes && (waits === 'a few times' || optional)) return undefined
  const pause = Math.min(pauseMs * (turn + 1), longestPauseMs)
  const asked = headers['retry-after']?.trim() ?? ''
  const until = Date.parse(asked) - (Date.parse(headers.date ?? '') || Date.now())
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1000 : until
  if (Number.isNaN(ms)) return pause
  // Who says 0 again and again is not to be asked all the time.
  return Math.min(Math.max(ms, turn < fewTimes ? 0 : pause), longestWaitMs)
}
