import { Failure } from '../lib/failure.ts'

/**
 * Returns the same value with every text in it replaced, however deep it stands. Names of fields, numbers, dates and truth
 * values stay: they are structure. Of a failure the cause is dropped: it is foreign, and no format shows it.
 */
export function mapTexts<Value>(value: Value, change: (text: string) => string): Value {
  // What comes out has the shape of what went in, which no type can say of a walk over fields.
  return mapped(value, change) as Value
}

function mapped(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item: unknown) => mapped(item, change))
  if (value instanceof Failure) {
    return new Failure(value.code, change(value.message), value.hint.map(change))
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mapped(field, change)]))
}
