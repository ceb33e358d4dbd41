import pg from 'pg'

/** Returns a text as SQL. */
export function literal(text: string): string {
  return `${pg.escapeLiteral(text)}::text`
}

/** Returns texts as an array in SQL. */
export function array(texts: readonly string[]): string {
  return `array[${texts.map(literal).join(', ')}]::text[]`
}

/** Returns what a select without a from gives in its column `state`. */
export function stateOf([row]: readonly pg.QueryResultRow[]): unknown {
  if (row === undefined) throw new Error('a select without a from gives one row')
  return row['state']
}
