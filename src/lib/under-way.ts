/** Returns the promise, which may fail before anybody waits for it. */
export function underWay<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined)
  return promise
}

/**
 * Waits until all have ended, and gives what they come to.
 *
 * @throws what the first in the list failed with that failed at all
 */
export async function allOf<Results extends readonly unknown[]>(
  ...promises: { [Index in keyof Results]: Promise<Results[Index]> }
): Promise<Results> {
  await Promise.allSettled(promises)
  // In turn, because Promise.all would give the first in time.
  const results: unknown[] = []
  for (const promise of promises) results.push(await promise)
  return results as unknown as Results
}
