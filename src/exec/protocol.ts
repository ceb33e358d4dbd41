/**
 * The messages of PostgreSQL's protocol 3.0 that the listener speaks itself.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** What stands in the place of a version at the beginning of a first packet. */
export const requests = { protocol3: 196_608, cancel: 80_877_102, tls: 80_877_103, gss: 80_877_104 } as const

/** How long a first packet may be. Source: MAX_STARTUP_PACKET_LENGTH in src/include/libpq/pqcomm.h */
export const mostFirst = 10_000
/** How long a message of a client may be that is not logged in; those of SCRAM take some hundred bytes. */
export const mostBefore = 2_000

/** The types of authentication messages. */
export const authentication = { ok: 0, cleartext: 3, md5: 5, sasl: 10, challenge: 11, final: 12 } as const

/** The one mechanism that is offered: without TLS there is nothing to bind to. */
export const mechanism = 'SCRAM-SHA-256'

/** Returns a message. */
export function message(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Returns an authentication message. */
export function authenticate(type: number, data: Buffer | string = ''): Buffer {
  return message('R', int32(type), data)
}

/** Returns an error that ends the session. Its text is one line, without characters that end it early. */
export function fatal(sqlState: string, text: string): Buffer {
  const clean = text.replaceAll('\0', ' ')
  return message('E', `SFATAL\0VFATAL\0C${sqlState}\0M${clean}\0\0`)
}

/** Returns the start-up packet of a client. Values are given as they were read: one character for each byte. */
export function startUp(parameters: ReadonlyMap<string, string>): Buffer {
  const pairs = [...parameters].flatMap(([name, value]) => [name, value]).map((text) => `${text}\0`)
  const body = Buffer.from(`${pairs.join('')}\0`, 'latin1')
  return Buffer.concat([int32(body.length + 8), int32(requests.protocol3), body])
}

/** Returns the fields of an error or a notice, by their letters. */
export function fieldsOf(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const field of body.toString('utf8').split('\0')) {
    if (field !== '') fields.set(field.charAt(0), field.slice(1))
  }
  return fields
}

/** Returns a number as four bytes. */
export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
