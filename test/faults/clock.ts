/** By how many days a clock may jump: a summer time, an hour set back, a wrong day, a battery that was empty. */
export const jumps = [1 / 24, -1 / 24, 2, -2, 400, -400] as const

const dayMs = 24 * 60 * 60 * 1000

/** Gives what sets the clock of this process to another time, from which it goes on, and what sets it back. */
export function jump(days: number): { readonly set: () => void; readonly restore: () => void } {
  const Real = globalThis.Date
  const offMs = days * dayMs
  class Jumped extends Real {
    constructor(...values: readonly unknown[]) {
      super(...((values.length === 0 ? [Jumped.now()] : values) as [number]))
    }

    static override now(): number {
      return Real.now() + offMs
    }
  }
  return {
    set: () => {
      globalThis.Date = Jumped as DateConstructor
    },
    restore: () => {
      globalThis.Date = Real
    },
  }
}
