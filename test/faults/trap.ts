import type { Interception } from '../../sandbox/api.ts'
import type { Bench } from '../support/bench.ts'
import type { Verdict, Wire } from './wire.ts'

/**
 * What can happen to a request to the API server, or to a WebSocket that is dialled: an error answer; the connection
 * breaks before or after the server has acted; no answer, ever; from now on no server at all; the process is killed
 * before or after the server has acted.
 */
export const apiFaults = [
  '500',
  '403',
  'reset',
  'act and reset',
  'hang',
  'gone',
  'kill',
  'act and kill',
] as const

/** What can happen to a login or a statement: as above; the last ones are SQLSTATEs that the server answers with. */
export const sqlFaults = ['cut', 'act and cut', 'kill', '57014', '40001'] as const

/** One thing that happens at one moment of a run; a `jump` breaks nothing, and the clock is another one from there on. */
export type Point =
  | { readonly at: 'request'; readonly index: number; readonly fault: (typeof apiFaults)[number] | 'jump' }
  | { readonly at: 'statement'; readonly index: number; readonly fault: (typeof sqlFaults)[number] | 'jump' }

/** What a run asked for, in order. */
export interface Passed {
  readonly requests: string[]
  readonly statements: string[]
}

/** Counts what runs ask of the API server and of PostgreSQL, and lets something happen at one of these points. */
export class Trap {
  readonly #bench: Bench
  readonly #wire: Wire

  constructor(bench: Bench, wire: Wire) {
    this.#bench = bench
    this.#wire = wire
  }

  /**
   * Does the work, and lets the point's fault happen when the work gets there.
   *
   * @param act ends the process that does the work, and resolves when it has ended; or sets the clock
   */
  async during<Result>(
    work: () => Promise<Result>,
    point?: Point,
    act: () => Promise<void> | void = () => Promise.reject(new Error('there is no process to kill')),
  ): Promise<{ result: Result; passed: Passed; sprung: boolean }> {
    const { api } = this.#bench.sandbox
    const passed: Passed = { requests: [], statements: [] }
    let sprung = false
    let gone = false
    const reaches = (at: Point['at'], index: number): boolean => {
      const reached = point?.at === at && point.index === index
      sprung ||= reached
      return reached
    }
    const stop = api.intercept(async ({ method, path }): Promise<Interception> => {
      passed.requests.push(`${method} ${path}`)
      if (gone) return 'reset'
      if (point?.at !== 'request' || !reaches('request', passed.requests.length - 1)) return undefined
      switch (point.fault) {
        case '500':
          return { status: 500, body: { kind: 'Status', message: 'made up by a test' } }
        case '403':
          return { status: 403, body: { kind: 'Status', message: 'made up by a test' } }
        case 'gone':
          gone = true
          for (const tunnel of api.tunnels()) tunnel.destroy()
          return 'reset'
        case 'jump':
          await act()
          return undefined
        case 'kill':
          await act()
          return 'reset'
        case 'act and kill':
          await act()
          return 'act and reset'
        case 'reset':
        case 'act and reset':
        case 'hang':
          return point.fault
      }
    })
    this.#wire.judge = async ({ text }): Promise<Verdict> => {
      passed.statements.push(text)
      if (point?.at !== 'statement' || !reaches('statement', passed.statements.length - 1)) return 'pass'
      switch (point.fault) {
        case '57014':
        case '40001':
          return { sqlState: point.fault }
        case 'jump':
          await act()
          return 'pass'
        case 'kill':
          await act()
          // It had been sent, and the server will read it.
          return 'pass'
        case 'cut':
        case 'act and cut':
          return point.fault
      }
    }
    try {
      return { result: await work(), passed, sprung }
    } finally {
      stop()
      this.#wire.judge = () => 'pass'
    }
  }
}
