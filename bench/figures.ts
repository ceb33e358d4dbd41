/** Gives the middle one of some figures. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** Writes a line of a table. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
