import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** What PostgreSQL 13 to 18 use by default (`scram_iterations` from 16 on). */
const iterations = 4096
/** A server may be set to more (`scram_iterations`); this many take seconds. */
const mostIterations = 5_000_000

/**
 * Returns the SCRAM-SHA-256 verifier that PostgreSQL stores as it is, so that the server never sees the password:
 * `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`, the parts in base64.
 *
 * Sources: RFC 5802 section 3, RFC 7677, and src/common/scram-common.c for the text form.
 *
 * @param salt 16 random bytes; given, as is the number of rounds, only to compare with known answers
 */
export async function scramVerifier(
  password: string,
  salt: Buffer = randomBytes(16),
  rounds: number = iterations,
): Promise<string> {
  const { clientKey, serverKey } = await keysOf(password, salt, rounds)
  const [stored, server] = [sha256(clientKey), serverKey].map((key) => key.toString('base64'))
  return `SCRAM-SHA-256$${rounds}:${salt.toString('base64')}$${stored}:${server}`
}

/** The client's end of one SCRAM-SHA-256 exchange. Sources: RFC 5802, sections 3, 5 and 7; RFC 5929, section 4. */
export class ScramClient {
  /** The first message of the client. */
  readonly first: string
  readonly #password: string
  readonly #header: string
  readonly #binding: Buffer
  readonly #bare: string
  #signature: Buffer | undefined

  /**
   * @param header `p=tls-server-end-point,,` where the exchange is bound to the TLS connection, `y,,` where the server does
   *   not offer that, `n,,` without TLS
   * @param binding the hash of the server's certificate, where the exchange is bound to it
   */
  constructor(password: string, header: string, binding: Buffer = Buffer.alloc(0)) {
    this.#password = password
    this.#header = header
    this.#binding = binding
    // PostgreSQL takes the user from the start-up message.
    this.#bare = `n=,r=${randomBytes(18).toString('base64')}`
    this.first = header + this.#bare
  }

  /**
   * Returns the last message of the client, with the proof that it knows the password.
   *
   * @throws Error where the server's message is none of this exchange
   */
  async prove(serverFirst: string): Promise<string> {
    const [, nonce = '', salt = '', rounds = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
    const own = this.#bare.slice('n=,r='.length)
    if (!nonce.startsWith(own) || nonce === own) throw new Error('SCRAM: the challenge is not for this login')
    if (Number(rounds) < 1 || Number(rounds) > mostIterations) {
      throw new Error(`SCRAM: ${rounds} rounds of hashing are not between 1 and ${mostIterations}`)
    }
    const { clientKey, serverKey } = await keysOf(this.#password, Buffer.from(salt, 'base64'), Number(rounds))
    const channel = Buffer.concat([Buffer.from(this.#header), this.#binding]).toString('base64')
    const withoutProof = `c=${channel},r=${nonce}`
    const exchange = [this.#bare, serverFirst, withoutProof].join(',')
    const clientSignature = hmac(sha256(clientKey), exchange)
    const proof = clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0))
    this.#signature = hmac(serverKey, exchange)
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /**
   * Makes sure that the server knows the verifier of the password.
   *
   * @throws Error where it does not
   */
  verify(serverFinal: string): void {
    const [, text = ''] = /^v=([^,]+)/.exec(serverFinal) ?? []
    const signature = Buffer.from(text, 'base64')
    const right = this.#signature?.length === signature.length && timingSafeEqual(this.#signature, signature)
    if (!right) throw new Error('SCRAM: the server signature does not match')
  }
}

/** What a server has to know to check a password, without the password. */
export interface ScramKeys {
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** Returns what a server keeps of a password: with a salt of its own, and the rounds that every client accepts. */
export async function scramKeys(password: string): Promise<ScramKeys> {
  const salt = randomBytes(16)
  const { clientKey, serverKey } = await keysOf(password, salt, iterations)
  return { salt, storedKey: sha256(clientKey), serverKey }
}

/** Thrown at a message that is none of the exchange. */
export class ScramDisorder extends Error {}

/** The server's end of one SCRAM-SHA-256 exchange, without channel binding. Sources: RFC 5802, sections 3, 5 and 7. */
export class ScramServer {
  readonly #keys: ScramKeys
  readonly #nonce = randomBytes(18).toString('base64')
  #header = ''
  #bare = ''
  #challenge = ''

  constructor(keys: ScramKeys) {
    this.#keys = keys
  }

  /**
   * Returns the answer to the first message of the client.
   *
   * @throws ScramDisorder also where the client wants channel binding or to act as somebody else
   */
  challenge(clientFirst: string): string {
    const [, header, bare, nonce] = /^([ny],,)(n=[^,]*,r=([!-+\--~]+))$/.exec(clientFirst) ?? []
    if (header === undefined || bare === undefined || nonce === undefined) {
      throw new ScramDisorder('malformed first message of SCRAM')
    }
    this.#header = header
    this.#bare = bare
    this.#challenge = `r=${nonce}${this.#nonce},s=${this.#keys.salt.toString('base64')},i=${iterations}`
    return this.#challenge
  }

  /**
   * Returns the proof that this side knows the password too; nothing where the client does not.
   *
   * @throws ScramDisorder
   */
  verify(clientFinal: string): string | undefined {
    const [, withoutProof, channel, nonce, proof] =
      /^(c=([\w+/=]+),r=([!-+\--~]+)),p=([\w+/]{43}=)$/.exec(clientFinal) ?? []
    const ours =
      this.#challenge !== '' &&
      channel === Buffer.from(this.#header).toString('base64') &&
      this.#challenge.startsWith(`r=${nonce ?? ''},s=`)
    if (!ours || withoutProof === undefined || proof === undefined) {
      throw new ScramDisorder('malformed last message of SCRAM')
    }
    const { storedKey, serverKey } = this.#keys
    const exchange = [this.#bare, this.#challenge, withoutProof].join(',')
    const signature = hmac(storedKey, exchange)
    const clientKey = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined
    return `v=${hmac(serverKey, exchange).toString('base64')}`
  }
}

interface Keys {
  readonly clientKey: Buffer
  readonly serverKey: Buffer
}

async function keysOf(password: string, salt: Buffer, rounds: number): Promise<Keys> {
  const salted = await promisify(pbkdf2)(await prepare(password), salt, rounds, 32, 'sha256')
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/**
 * Says whether drivers disagree about a password: where SASLprep forbids it, PostgreSQL and libpq take it as it is,
 * while others, `pg` among them, map and normalise its characters all the same.
 */
export async function isAmbiguous(password: string): Promise<boolean> {
  if (ascii.test(password)) return false
  const { saslprep, unjudged } = await import('./saslprep.ts')
  return saslprep(password) === undefined && unjudged(password) !== password
}

/** PostgreSQL takes a password as it is where SASLprep forbids it, so the verifier must do the same. */
async function prepare(password: string): Promise<string> {
  if (ascii.test(password)) return password
  const { saslprep } = await import('./saslprep.ts')
  return saslprep(password) ?? password
}

/** Nothing in ASCII is mapped, and the tables of all else are large. */
const ascii = /^[\0-\x7f]*$/
