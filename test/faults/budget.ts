const seconds =
  process.env['FAULTS_SECONDS'] === 'all' ? Infinity : Number(process.env['FAULTS_SECONDS'] ?? 30)

/** What a run of these tests may take. The default is for every change; all points take more than an hour. */
export const budget = {
  seed: Number(process.env['FAULTS_SEED'] ?? 1),
  /** For points of which there are so many that all can be tried, in seconds; `all` tries every one. */
  seconds,
  /** For those that can only be sampled, in seconds: `all` is an hour. */
  sampling: Math.min(seconds, 3_600),
}

/** Gives numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Gives the items in an order that the seed decides (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[], next: () => number): Item[] {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last--) {
    const chosen = Math.floor(next() * (last + 1))
    const item = order[last] as Item
    order[last] = order[chosen] as Item
    order[chosen] = item
  }
  return order
}

/** Prints a line of figures below whatever the test runner prints. */
export function report(line: string): void {
  process.stdout.write(`faults: ${line}\n`)
}

/** The one point to try, where somebody wants one that failed to happen again. */
export const chosenPoint = process.env['FAULTS_POINT']

/** Returns the command that tries one point again, of one test where several are tried in other ways. */
export function replay(script: string, file: string, point: string, name = '', seed = budget.seed): string {
  const only = name === '' ? '' : ` -t ${quoted(name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))}`
  return `to try it again: FAULTS_SEED=${seed} FAULTS_POINT=${quoted(point)} npm ${script === 'test' ? script : `run ${script}`} -- --testPathPatterns ${file}${only}`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
