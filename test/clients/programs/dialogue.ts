import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import postgres from 'postgres'

// A client in Node.js: asks who it is, cancels a statement, asks again on the same session, and shows an error.

const who = "select current_user || ' on ' || current_database() as answer"
const sleeping = 'select pg_sleep(60)'
const wrong = 'select * from nowhere'

type Answer = ArrayLike<Readonly<Record<string, unknown>>>

async function said(work: PromiseLike<Answer>): Promise<void> {
  const text = await work.then(
    (rows) => String(rows[0]?.['answer']),
    (error: unknown) => {
      const { code, message } = error as pg.DatabaseError
      return code === '57014' ? code : `${code ?? ''} ${message}`
    },
  )
  process.stdout.write(`${text}\n`)
}

/** It documents no way to cancel: here the server does so by itself. */
async function withPg(): Promise<void> {
  const client = new pg.Client()
  await client.connect()
  const rows = async (words: string): Promise<Answer> => (await client.query<{ answer: unknown }>(words)).rows
  await said(rows(who))
  await rows("set statement_timeout = '1s'")
  await said(rows(sleeping))
  await said(rows(who))
  await said(rows(wrong))
  await client.end()
}

async function withPostgres(): Promise<void> {
  const sql = postgres(process.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => undefined })
  await said(sql.unsafe(who))
  const statement = sql.unsafe(sleeping)
  const cancelling = sleep(1_000).then(() => {
    statement.cancel()
  })
  await said(statement)
  await cancelling
  await said(sql.unsafe(who))
  await said(sql.unsafe(wrong))
  await sql.end()
}

await (process.argv[2] === 'pg' ? withPg() : withPostgres())
