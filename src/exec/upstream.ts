import { TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import type { Login } from '../postgres/attempt.ts'
import { Authentication } from '../postgres/authentication.ts'
import { inTime, type Connection, type Connections } from '../postgres/connection.ts'
import { poolerFailure } from '../postgres/failure.ts'
import { unproven } from '../postgres/refusal.ts'
import { endPointHash } from '../postgres/wire.ts'
import { authentication as kinds, fatal, fieldsOf, message, startUp, int32 } from './protocol.ts'
import { Malformed, Reader, type Received } from './reader.ts'

/** A session of the server that a client can be joined to. */
export interface Upstream {
  readonly connection: Connection
  /** What the server said once it had let us in, up to where it is ready: byte for byte. */
  readonly greeting: Buffer
  /** With what a statement is cancelled, as hex. */
  readonly key: string | undefined
}

/** Thrown where the server lets nobody in, with its own words. */
export class Refused extends Error {
  readonly answer: Buffer
  readonly said: string

  constructor(answer: Buffer) {
    super('the server refused the login')
    this.answer = answer
    this.said = fieldsOf(answer.subarray(5)).get('M') ?? ''
  }
}

/** How much a server may say before it is ready; libpq takes some 30 kB in one message. */
const mostGreeting = 64 * 1024

/**
 * Logs in with parameters of a client, and leaves all that comes behind to whoever reads on.
 *
 * @param parameters of the start-up packet, one character for each byte; those that the login says are taken from there
 * @throws Refused with what the server says; a Failure for anything else
 */
export async function openUpstream(
  connections: Connections,
  login: Login,
  parameters: ReadonlyMap<string, string>,
  trusting: 'refuse' | 'accept',
): Promise<Upstream> {
  return await connections.inEachWay(login, async (open, last) => {
    try {
      return await enter(await open(), connections, login, parameters, trusting)
    } catch (error) {
      if (!(error instanceof Unheard)) throw error
      if (last) throw error.refused
      return undefined
    }
  })
}

/** Thrown where the server refuses a login before it has asked for a password: another way to connect may be allowed. */
class Unheard extends Error {
  readonly refused: Refused

  constructor(refused: Refused) {
    super(refused.message)
    this.refused = refused
  }
}

async function enter(
  connection: Connection,
  { server }: Connections,
  login: Login,
  parameters: ReadonlyMap<string, string>,
  trusting: 'refuse' | 'accept',
): Promise<Upstream> {
  const { tunnel, stream } = connection
  stream.on('error', () => undefined)
  try {
    return await inTime(tunnel, server.deadline, () => converse(connection, login, parameters, trusting))
  } catch (error) {
    const lost = tunnel.errored
    tunnel.destroy()
    server.deadline.signal.throwIfAborted()
    if (error instanceof Refused || error instanceof Unheard || error instanceof Failure) throw error
    if (lost instanceof Failure) throw lost
    if (error instanceof Malformed) {
      throw new Failure('login-unsupported', `PostgreSQL sent an unexpected message: ${error.message}.`, [
        'Something other than PostgreSQL answers on this port. Ask the administrator where the Service leads.',
      ])
    }
    throw new Failure(
      'tunnel-lost',
      'The connection to PostgreSQL was lost while logging in.',
      ['A frequent cause is a Pod that is restarting. A new connection starts afresh.'],
      { cause: lost ?? error },
    )
  }
}

async function converse(
  connection: Connection,
  login: Login,
  parameters: ReadonlyMap<string, string>,
  trusting: 'refuse' | 'accept',
): Promise<Upstream> {
  const { stream } = connection
  const who = new Map([...parameters, ['user', bytesOf(login.user)], ['database', bytesOf(login.database)]])
  stream.write(startUp(who))
  const reader = new Reader(stream)
  const authentication = new Authentication(
    login,
    stream instanceof TLSSocket ? () => endPointHash(stream) : undefined,
  )
  const greeting: Buffer[] = []
  let key: string | undefined
  for (let heard = 0; ;) {
    const received = await reader.message(mostGreeting)
    heard += received.raw.length
    if (heard > mostGreeting) throw new Malformed('too much before the session was ready')
    const { type, body, raw } = received
    if (type === 'E') throw refusal(received, login, authentication)
    if (type === 'R') {
      const answer = await respond(authentication, body)
      if (answer !== undefined) stream.write(answer)
    } else if (authentication.exchange === undefined) {
      if (type !== 'N') throw new Malformed('a message before the login')
    } else {
      greeting.push(raw)
      if (type === 'K') key = body.toString('hex')
      if (type === 'Z') break
    }
  }
  if (authentication.exchange === 'none' && trusting === 'refuse') throw unproven(login)
  return { connection, greeting: Buffer.concat(greeting), key }
}

/** Returns what to answer to a message of authentication. */
async function respond(authentication: Authentication, body: Buffer): Promise<Buffer | undefined> {
  if (body.length < 4) throw new Malformed('an authentication message without a type')
  const data = body.subarray(4)
  switch (body.readInt32BE()) {
    case kinds.ok:
      authentication.letIn()
      return undefined
    case kinds.cleartext:
      throw authentication.refuseCleartext()
    case kinds.md5:
      return message('p', `${authentication.respond(data)}\0`)
    case kinds.sasl: {
      const offered = data
        .toString('latin1')
        .split('\0')
        .filter((name) => name !== '')
      const { mechanism, message: first } = authentication.begin(offered)
      return message('p', `${mechanism}\0`, int32(Buffer.byteLength(first)), first)
    }
    case kinds.challenge: {
      const proof = await authentication.prove(data.toString('latin1'))
      return proof === undefined ? undefined : message('p', proof)
    }
    case kinds.final:
      authentication.verify(data.toString('latin1'))
      return undefined
    default:
      throw new Malformed('an unknown way to authenticate')
  }
}

/** The server's own words, but where a client would take them for words about its own password. */
function refusal({ body, raw }: Received, { user }: Login, authentication: Authentication): Error {
  const fields = fieldsOf(body)
  const code = fields.get('C') ?? 'XX000'
  if (code === '28P01') {
    const said = `pg-app-user: PostgreSQL refused the login of the command, "${user}" (28P01); it may have ended`
    return new Refused(fatal('28P01', said))
  }
  if (code === '08P01') {
    const { message: text, hint } = poolerFailure(`A connection pooler refuses this connection (08P01).`)
    const words = `${text} It said "${oneLine(fields.get('M') ?? '')}". ${hint.join(' ')}`
    return new Refused(fatal('08P01', `pg-app-user: ${words}`))
  }
  const refused = new Refused(raw)
  const unheard = code === '28000' && authentication.exchange === undefined && !authentication.underWay
  return unheard ? new Unheard(refused) : refused
}

/**
 * Carries the request of a client to cancel a statement, and waits until the server has taken it.
 *
 * @throws Failure of the tunnel or of TLS
 */
export async function carryCancel(connections: Connections, login: Login, packet: Buffer): Promise<void> {
  await connections.inEachWay(login, async (open) => {
    await handOver(await open(), connections, packet)
    return true
  })
}

async function handOver(
  { stream, tunnel }: Connection,
  { server }: Connections,
  packet: Buffer,
): Promise<void> {
  stream.on('error', () => undefined)
  try {
    await inTime(tunnel, server.deadline, async () => {
      stream.write(packet)
      stream.resume()
      // The server says nothing to it, and closes.
      if (!stream.destroyed && !stream.readableEnded)
        await Promise.race([once(stream, 'end'), once(stream, 'close')])
    })
  } finally {
    tunnel.destroy()
  }
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}
