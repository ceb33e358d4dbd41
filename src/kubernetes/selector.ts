import type { LabelSelector } from './objects.ts'

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const

/** One condition of a selector. */
export interface Term {
  readonly key: string
  readonly operator: (typeof operators)[number]
  readonly values: readonly string[]
}

/**
 * Returns the conditions of a selector, all of which have to be met; none selects everything.
 * Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function termsOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly Term[] {
  const equal = Object.entries(matchLabels).map(([key, value]): Term => ({
    key,
    operator: 'In',
    values: [value],
  }))
  const others = matchExpressions.map(({ key = '', operator, values = [] }): Term => ({
    key,
    operator: operators.find((each) => each === operator) ?? 'In',
    values,
  }))
  return [...equal, ...others]
}

/** Says whether labels meet a condition. */
export function meets(
  { key, operator, values }: Term,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'In':
      return value !== undefined && values.includes(value)
  }
}
