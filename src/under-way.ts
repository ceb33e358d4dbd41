/** Gives the promise back, which may fail before anybody waits for it. */
export function underWay<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined)
  return promise
}
