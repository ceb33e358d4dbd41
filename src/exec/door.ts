import { timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import { ScramDisorder, ScramServer, type ScramKeys } from '../postgres/scram.ts'
import { authenticate, authentication, fatal, int32, mechanism, message } from './protocol.ts'
import { mostBefore, mostFirst, requests } from './protocol.ts'
import { Malformed, type Reader } from './reader.ts'

/** Who is let in. */
export interface Lock {
  readonly user: string
  readonly database: string
  readonly keys: ScramKeys
}

/** What a client wants that came to the door. */
export type Caller =
  | {
      readonly wants: 'session'
      /** Of the start-up packet: one character for each byte. */
      readonly parameters: ReadonlyMap<string, string>
      /** The end of the exchange, which proves that this side knows the password: to be sent with what comes next. */
      readonly proof: Buffer
    }
  | { readonly wants: 'cancel'; readonly packet: Buffer }

/** Thrown where nobody is let in, with what is to be said. */
export class TurnedAway extends Error {
  readonly answer: Buffer

  constructor(sqlState: string, text: string) {
    super(text)
    this.answer = fatal(sqlState, text)
  }
}

/**
 * Lets a client in that knows the password, by SCRAM-SHA-256. Wrong passwords and wrong users get the same answer at the same
 * place.
 *
 * @throws TurnedAway; HungUp where the client is gone
 */
export async function letIn(socket: Socket, reader: Reader, lock: Lock): Promise<Caller> {
  try {
    const caller = await firstPacket(socket, reader)
    if (caller.wants === 'cancel') return caller
    const { parameters } = caller
    refuseUnserved(parameters)
    const proof = await exchange(socket, reader, parameters, lock)
    refuseElsewhere(parameters, lock)
    return { wants: 'session', parameters, proof }
  } catch (error) {
    if (error instanceof Malformed || error instanceof ScramDisorder) {
      throw new TurnedAway('08P01', `pg-app-user: ${error.message}`)
    }
    throw error
  }
}

type First =
  | { readonly wants: 'session'; readonly parameters: ReadonlyMap<string, string> }
  | { readonly wants: 'cancel'; readonly packet: Buffer }

/** Reads until a client says who it is: before that it may ask for TLS and for GSSAPI, each once. */
async function firstPacket(socket: Socket, reader: Reader): Promise<First> {
  for (const asked = new Set<number>(); ;) {
    const packet = await reader.first(mostFirst)
    const code = packet.readInt32BE()
    if (code === requests.cancel) {
      if (packet.length !== 12) throw new Malformed('invalid length of cancel request')
      return { wants: 'cancel', packet: Buffer.concat([int32(16), packet]) }
    }
    if (code === requests.tls || code === requests.gss) {
      if (asked.has(code)) throw new Malformed('encryption was refused already')
      asked.add(code)
      socket.write('N')
      continue
    }
    const [major, minor] = [code >> 16, code & 0xffff]
    if (major !== 3)
      throw new TurnedAway('0A000', `pg-app-user: unsupported frontend protocol ${major}.${minor}`)
    const parameters = parametersOf(packet.subarray(4))
    const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
    if (minor > 0 || unknown.length > 0) {
      const names = unknown.map((name) => `${name}\0`).join('')
      socket.write(
        message('v', int32(requests.protocol3), int32(unknown.length), Buffer.from(names, 'latin1')),
      )
    }
    for (const name of unknown) parameters.delete(name)
    return { wants: 'session', parameters }
  }
}

function parametersOf(packet: Buffer): Map<string, string> {
  const texts = packet.toString('latin1').split('\0')
  // Two ends: of the last value, and of the list.
  if (texts.pop() !== '' || texts.pop() !== '' || texts.length % 2 !== 0) {
    throw new Malformed('invalid startup packet layout')
  }
  const parameters = new Map<string, string>()
  for (let at = 0; at < texts.length; at += 2) {
    const [name = '', value = ''] = texts.slice(at, at + 2)
    if (name === '') throw new Malformed('invalid startup packet layout')
    parameters.set(name, value)
  }
  return parameters
}

function refuseUnserved(parameters: ReadonlyMap<string, string>): void {
  if ((parameters.get('user') ?? '') === '') {
    throw new TurnedAway('28000', 'pg-app-user: no PostgreSQL user name specified in startup packet')
  }
  const replication = parameters.get('replication')
  if (replication !== undefined && !['false', 'off', 'no', '0'].includes(replication.toLowerCase())) {
    throw new TurnedAway('0A000', 'pg-app-user: replication connections are not carried')
  }
}

/** Not 3D000: on that, tools set out to create the database. */
function refuseElsewhere(parameters: ReadonlyMap<string, string>, { database }: Lock): void {
  const asked = textOf(parameters.get('database') ?? '')
  if (asked === '' || asked === database) return
  throw new TurnedAway(
    '42501',
    `pg-app-user: this connection is for database "${database}" alone, not "${asked}"`,
  )
}

async function exchange(
  socket: Socket,
  reader: Reader,
  parameters: ReadonlyMap<string, string>,
  { user, keys }: Lock,
): Promise<Buffer> {
  const asked = textOf(parameters.get('user') ?? '')
  socket.write(authenticate(authentication.sasl, `${mechanism}\0\0`))
  const server = new ScramServer(keys)
  socket.write(authenticate(authentication.challenge, server.challenge(await initialResponse(reader))))
  const proof = server.verify((await response(reader)).toString('latin1'))
  if (proof === undefined || !isSame(asked, user)) {
    throw new TurnedAway('28P01', `pg-app-user: password authentication failed for user "${asked}"`)
  }
  return authenticate(authentication.final, proof)
}

async function initialResponse(reader: Reader): Promise<string> {
  const body = await response(reader)
  const end = body.indexOf(0)
  if (end === -1 || body.length < end + 5) throw new Malformed('malformed first response of SASL')
  if (body.toString('latin1', 0, end) !== mechanism) {
    throw new Malformed(`the one mechanism here is ${mechanism}`)
  }
  const text = body.subarray(end + 5)
  if (body.readInt32BE(end + 1) !== text.length) throw new Malformed('malformed first response of SASL')
  return text.toString('latin1')
}

async function response(reader: Reader): Promise<Buffer> {
  const { type, body } = await reader.message(mostBefore)
  if (type !== 'p') throw new Malformed('a response of SASL was expected')
  return body
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Names come in the encoding of the client, which is UTF-8 in practice. */
function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
