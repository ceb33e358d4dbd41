import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { openTunnel } from '../../src/kubernetes/tunnel.ts'
import { openApi } from '../contract/admin.ts'

/** What a child process is to carry through how many tunnels at once; on standard input, as JSON. */
export interface Cargo {
  /** Through tunnels of the product, or else through a port of this machine. */
  readonly way:
    | { readonly kubeconfig: string; readonly namespace: string; readonly pod: string }
    | { readonly port: number }
  readonly user: string
  readonly password: string
  readonly tunnels: number
  /** In one direction, through one tunnel. */
  readonly megabytes: number
}

/** What came of it; on standard output, as JSON. */
export interface Delivery {
  readonly intact: boolean
  readonly bytesUp: number
  readonly bytesDown: number
  readonly secondsUp: number
  readonly secondsDown: number
  /** How much memory the process took beyond what it had before the first byte. */
  readonly grownMegabytes: number
}

const megabyte = 1024 * 1024
const lineBytes = 8 * 1024

/** A COPY into the server that writes no faster than the tunnel takes it. Source: pg's protocol for query objects. */
class Upload {
  readonly done: Promise<void>
  readonly #text: string
  readonly #lines: Generator<string, undefined>
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(text: string, lines: Generator<string, undefined>) {
    this.#text = text
    this.#lines = lines
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  submit(connection: { query: (text: string) => void }): void {
    connection.query(this.#text)
  }

  handleCopyInResponse(connection: {
    readonly stream: { writableNeedDrain: boolean; once: (event: 'drain', go: () => void) => void }
    sendCopyFromChunk: (chunk: Buffer) => void
    endCopyFrom: () => void
  }): void {
    const go = (): void => {
      while (!connection.stream.writableNeedDrain) {
        const next = this.#lines.next()
        if (next.done === true) {
          connection.endCopyFrom()
          return
        }
        connection.sendCopyFromChunk(Buffer.from(next.value))
      }
      connection.stream.once('drain', go)
    }
    go()
  }

  handleCommandComplete(): void {
    // What counts is that the server is ready for the next one.
  }

  handleReadyForQuery(): void {
    this.#resolve()
  }

  handleError(error: Error): void {
    this.#reject(error)
  }
}

/** Lines that do not compress well and are the same each time. */
function* linesOf(seed: string, count: number): Generator<string, undefined> {
  let block = createHash('sha512').update(seed).digest('hex')
  for (let number = 0; number < count; number++) {
    block = createHash('sha512').update(block).digest('hex')
    yield `${number}\t${block.repeat(lineBytes / block.length)}\n`
  }
  return undefined
}

/** A way to the server, for as many connections as are wanted. */
interface Way {
  readonly connect: () => Promise<pg.ClientConfig>
  readonly close: () => void
}

async function open(way: Cargo['way']): Promise<Way> {
  if ('port' in way) {
    return {
      connect: () => Promise.resolve({ host: '127.0.0.1', port: way.port }),
      close: () => undefined,
    }
  }
  const api = await openApi(way.kubeconfig)
  const target = { namespace: way.namespace, pod: way.pod, port: 5432, service: 'postgresql1' }
  return {
    connect: async () => {
      const tunnel = await openTunnel(api, target, new AbortController().signal)
      return { stream: () => tunnel }
    },
    close: () => {
      api.close()
    },
  }
}

async function carry(cargo: Cargo): Promise<Delivery> {
  const way = await open(cargo.way)
  const lines = (cargo.megabytes * megabyte) / lineBytes
  const seeds = Array.from({ length: cargo.tunnels }, (_, index) => `cargo_${index}`)
  const clients = await Promise.all(
    seeds.map(async (seed) => {
      const { user, password } = cargo
      const ssl = { rejectUnauthorized: false }
      const client = new pg.Client({ ...(await way.connect()), user, password, database: 'postgres', ssl })
      await client.connect()
      await client.query(`create unlogged table ${seed} (n int, line text)`)
      await client.query(`alter table ${seed} alter line set storage external`)
      return { client, seed }
    }),
  )
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20)

  const start = performance.now()
  await Promise.all(
    clients.map(async ({ client, seed }) => {
      const upload = new Upload(`copy ${seed} from stdin`, linesOf(seed, lines))
      client.query(upload as unknown as pg.Submittable)
      await upload.done
    }),
  )
  const middle = performance.now()
  const digests = await Promise.all(
    clients.map(async ({ client, seed }) => {
      const digest = createHash('sha256')
      const query = new pg.Query<{ n: number; line: string }>(`select n, line from ${seed} order by n`)
      let bytes = 0
      query.on('row', ({ n, line }: { n: number; line: string }) => {
        const text = `${n}\t${line}\n`
        bytes += text.length
        digest.update(text)
      })
      const done = new Promise((resolve, reject) => {
        query.on('end', resolve)
        query.on('error', reject)
      })
      client.query(query)
      await done
      return { seed, bytes, digest: digest.digest('hex') }
    }),
  )
  const end = performance.now()
  clearInterval(watch)
  const intact = digests.every(({ seed, digest }) => {
    const wanted = createHash('sha256')
    for (const line of linesOf(seed, lines)) wanted.update(line)
    return digest === wanted.digest('hex')
  })
  for (const { client, seed } of clients) {
    await client.query(`drop table ${seed}`)
    await client.end()
  }
  way.close()
  const bytes = digests.reduce((sum, each) => sum + each.bytes, 0)
  return {
    intact,
    bytesUp: bytes,
    bytesDown: bytes,
    secondsUp: (middle - start) / 1000,
    secondsDown: (end - middle) / 1000,
    grownMegabytes: (most - before) / megabyte,
  }
}

if (import.meta.main) {
  const cargo = JSON.parse(readFileSync(0, 'utf8')) as Cargo
  process.stdout.write(JSON.stringify(await carry(cargo)))
}
