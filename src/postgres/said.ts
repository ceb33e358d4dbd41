import type pg from 'pg'
import { oneLine } from '../lib/text.ts'
import { detailed } from './sqlstate.ts'

/**
 * Returns what a server said, one line each: its message, its DETAIL where that holds nothing from rows, and its HINT, which
 * often has the command that helps. Never the statement, nor where in it.
 */
export function saidBy({ message, code, detail, hint }: pg.DatabaseError): string[] {
  return [
    `The server said "${oneLine(message)}".`,
    ...(detail !== undefined && detailed.includes(code ?? '') ? [`Its detail: "${oneLine(detail)}"`] : []),
    ...(hint === undefined ? [] : [`Its hint: "${oneLine(hint)}"`]),
  ]
}
