import pg from 'pg'

// Asks the query with a connection string, or nothing, which means the environment.
const [query = '', connectionString] = process.argv.slice(2)
const client = new pg.Client(connectionString ? { connectionString } : {})
await client.connect()
const { rows } = await client.query<{ answer: string }>(query)
await client.end()
process.stdout.write(`${rows[0]?.answer ?? ''}\n`)
