/** The fields of something that was written by hand: nothing is known of their types. */
export type Fields = Readonly<Record<string, unknown>>

/** Returns what is a record as one, anything else as an empty one. */
export function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

/** Returns what is a list as one, anything else as an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

/** Returns a field's text, empty where there is none. */
export function text(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}
