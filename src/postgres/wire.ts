import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import { signatureAlgorithmHashFromCertificate } from 'pg/lib/crypto/cert-signatures.js'
import { Failure } from '../lib/failure.ts'
import { underWay } from '../lib/under-way.ts'
import { Authentication, type Credentials } from './authentication.ts'
import type { Connection } from './connection.ts'
import { Severities } from './severity.ts'

/*
 * Everything that reaches into node-postgres beyond what it documents. package.json holds the exact version, and
 * test/unit/postgres/wire.test.ts tells when another one is different inside.
 */

/** The part of node-postgres that speaks the protocol, as far as it is used here. */
interface Protocol extends EventEmitter {
  sendSASLInitialResponseMessage(mechanism: string, message: string): void
  sendSCRAMClientFinalMessage(message: string): void
  password(response: string): void
  query(sql: string): void
}

interface Inner {
  readonly connection: Protocol
  readonly processID: number | null
}

/** With what node-postgres answers a server that asks who we are. It has no password to answer with. */
export const authenticationMessages = [
  'authenticationCleartextPassword',
  'authenticationMD5Password',
  'authenticationSASL',
  'authenticationSASLContinue',
  'authenticationSASLFinal',
] as const

/** How much may come before the server has let us in; libpq takes some 30 kB. */
const mostBefore = 64 * 1024
/** How much may come on one connection; a look at thousands of roles and databases is a few of them. */
const mostAfter = 64 * 1024 * 1024

/** Returns the process the server says it serves us with; a pooler in between makes this one up. */
export function announcedPid(client: pg.Client): number | null {
  return innerOf(client).processID
}

function innerOf(client: pg.Client): Inner {
  return client as unknown as Inner
}

/** A script that is on its way before anybody asked for it. */
export interface Begun {
  readonly sql: string
  /** Nothing where it was not sent after all. */
  results: Promise<pg.QueryResult[]> | undefined
}

/** A login that has begun. */
interface UnderWay {
  readonly authentication: Authentication
  readonly connected: Promise<unknown>
  /** Why it was ended here, if it was. */
  readonly refused: () => Failure | undefined
}

/**
 * Connects with answers of our own to a server that asks who we are: node-postgres would give the password to whoever asks for
 * it in clear text.
 *
 * @param begun is sent right behind the last message of SCRAM
 */
export function connectWith(
  client: pg.Client,
  connection: Connection,
  credentials: Credentials,
  begun: Begun | undefined,
): UnderWay {
  const { stream, tunnel } = connection
  const { connection: protocol } = innerOf(client)
  const hash = stream instanceof TLSSocket ? () => endPointHash(stream) : undefined
  const authentication = new Authentication(credentials, hash)
  let refusal: Failure | undefined
  const end = (error: unknown): void => {
    if (error instanceof Failure) refusal ??= error
    tunnel.destroy(error as Error)
  }
  const answer = (work: () => Promise<void> | void): void => {
    try {
      Promise.resolve(work()).catch(end)
    } catch (error) {
      end(error)
    }
  }
  const connected = client.connect()
  // It listens from here on, and has heard nothing yet.
  for (const name of authenticationMessages) protocol.removeAllListeners(name)
  protocol.on('authenticationCleartextPassword', () => {
    end(authentication.refuseCleartext())
  })
  protocol.on('authenticationMD5Password', ({ salt }: { salt: Buffer }) => {
    answer(() => {
      protocol.password(authentication.respond(salt))
    })
  })
  protocol.on('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
    answer(() => {
      const { mechanism, message } = authentication.begin(mechanisms)
      protocol.sendSASLInitialResponseMessage(mechanism, message)
    })
  })
  protocol.on('authenticationSASLContinue', ({ data }: { data: string }) => {
    answer(async () => {
      const message = await authentication.prove(data)
      if (message === undefined) return
      // In one piece: a server that refuses and leaves something unread breaks the connection, and its words may be lost.
      stream.cork()
      protocol.sendSCRAMClientFinalMessage(message)
      if (begun !== undefined) begun.results = sendAlong(client, begun.sql)
      stream.uncork()
    })
  })
  protocol.on('authenticationSASLFinal', ({ data }: { data: string }) => {
    answer(() => {
      authentication.verify(data)
    })
  })
  protocol.on('authenticationOk', () => {
    authentication.letIn()
  })
  guardReading(stream, protocol, authentication, end)
  return { authentication, connected, refused: () => refusal }
}

/**
 * Sends a script before the server is ready for it, which nothing needs: a server reads one message after the other, and
 * comes to this one only if it has let us in.
 */
function sendAlong(client: pg.Client, sql: string): Promise<pg.QueryResult[]> {
  innerOf(client).connection.query(sql)
  const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult[]>()
  const query = new pg.Query(sql, (error, result) => {
    if (error) reject(error)
    else resolve([result].flat())
  })
  // It is sent already: what is left is to take the answer.
  query.submit = () => null
  client.query(query)
  return underWay(promise)
}

/**
 * Bounds what a server may send: node-postgres keeps a message until it is whole, however long it says that it is. And
 * node-postgres throws at messages that it does not know, where nobody could catch it: here that ends the connection. Its
 * errors get the severity that is not in the language of the server.
 */
function guardReading(
  stream: Duplex,
  protocol: Protocol,
  authentication: Authentication,
  end: (error: unknown) => void,
): void {
  let length = 0
  const severities = new Severities()
  const unlocalised: (string | undefined)[] = []
  protocol.prependListener('errorMessage', (error: { severity: string | undefined }) => {
    error.severity = unlocalised.shift() ?? error.severity
  })
  for (const read of stream.listeners('data') as ((chunk: Buffer) => void)[]) {
    stream.off('data', read)
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length
      try {
        if (length > (authentication.exchange === undefined ? mostBefore : mostAfter)) throw tooMuch()
        unlocalised.push(...severities.read(chunk))
        read(chunk)
      } catch (error) {
        end(error)
      }
    })
  }
}

function tooMuch(): Failure {
  return new Failure(
    'login-unsupported',
    'The answer is longer than any answer of PostgreSQL at this point.',
    ['Something other than PostgreSQL answers on this port. Ask the administrator where the Service leads.'],
  )
}

/**
 * Returns what the channel binding `tls-server-end-point` binds to: the hash of the server's certificate, by the algorithm of
 * its signature, and by SHA-256 where that is MD5 or SHA-1. Source: RFC 5929, section 4.1.
 */
export function endPointHash(stream: TLSSocket): Buffer {
  const { raw } = stream.getPeerCertificate()
  const name = signatureAlgorithmHashFromCertificate(raw)
  const algorithm = name === 'MD5' || name === 'SHA-1' ? 'sha256' : name.replace(/^SHA-/, 'sha')
  return createHash(algorithm).update(raw).digest()
}
