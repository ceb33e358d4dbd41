import { rightWords, type Answered } from '../kubernetes/ask.ts'
import { oneLine } from '../lib/text.ts'
import type { Evidence } from './finding.ts'

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
