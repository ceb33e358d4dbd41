import { createHash } from 'node:crypto'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import { ScramClient } from './scram.ts'

/**
 * What a server let us in on: a completed exchange of the password, bound to the TLS connection or not, or nothing at all
 * (`trust`, a certificate).
 */
export type Exchange = 'scram-sha-256-plus' | 'scram-sha-256' | 'md5' | 'none'

/** Who logs in. */
export interface Credentials {
  readonly user: string
  readonly password: string
  /** Whether it only logs in where that is bound to the TLS connection, which no common pooler offers. */
  readonly boundOnly?: boolean
}

const plus = 'SCRAM-SHA-256-PLUS'
const plain = 'SCRAM-SHA-256'

/**
 * Answers a server that asks who we are, as libpq does by default. The one thing that ever knows the password: what it gives
 * away of it is the proof of SCRAM or the response of MD5, once, to a challenge of this very connection. Whatever else a
 * server asks for, in whatever order, ends the login for good.
 *
 * Sources: https://www.postgresql.org/docs/current/sasl-authentication.html, src/interfaces/libpq/fe-auth.c
 */
export class Authentication {
  readonly #credentials: Credentials
  readonly #certificateHash: (() => Buffer) | undefined
  #stage: 'begun' | 'challenged' | 'proving' | 'proven' | 'verified' | 'in' | 'over' = 'begun'
  #scram: { readonly client: ScramClient; readonly bound: boolean } | undefined
  #completed: Exchange | undefined

  /** @param certificateHash gives what `tls-server-end-point` binds to; absent on a connection without TLS */
  constructor(credentials: Credentials, certificateHash: (() => Buffer) | undefined) {
    this.#credentials = credentials
    this.#certificateHash = certificateHash
  }

  /** How the server was satisfied; nothing as long as it is not. */
  get exchange(): Exchange | undefined {
    if (this.#stage !== 'in') return undefined
    return this.#completed ?? 'none'
  }

  /** Whether an exchange of SCRAM has begun and is not completed. */
  get underWay(): boolean {
    return this.#scram !== undefined && this.#completed === undefined
  }

  /** Returns the first message of SCRAM, with the mechanism that it is for. */
  begin(mechanisms: readonly string[]): { readonly mechanism: string; readonly message: string } {
    if (this.#stage !== 'begun') throw this.#disordered()
    const { password } = this.#credentials
    const hash = this.#certificateHash
    const mechanism = [...(hash === undefined ? [] : [plus]), plain].find((name) => mechanisms.includes(name))
    const unfit = mechanism === plain && this.#credentials.boundOnly === true
    if (mechanism === undefined || unfit) throw this.#unsupported(mechanisms.join(', '))
    if (hash === undefined && mechanisms.includes(plus)) throw this.#stripped()
    this.#stage = 'challenged'
    const client =
      mechanism === plus && hash !== undefined
        ? new ScramClient(password, 'p=tls-server-end-point,,', hash())
        : new ScramClient(password, hash === undefined ? 'n,,' : 'y,,')
    this.#scram = { client, bound: mechanism === plus }
    return { mechanism, message: client.first }
  }

  /** Returns the last message of SCRAM; nothing where the server went on without waiting for it. */
  async prove(serverFirst: string): Promise<string | undefined> {
    if (this.#stage !== 'challenged' || this.#scram === undefined) throw this.#disordered()
    this.#stage = 'proving'
    const message = await this.#scram.client.prove(serverFirst).catch((error: unknown) => {
      throw this.#unsupported((error as Error).message, error)
    })
    // Meanwhile the server may have sent something else.
    if (!this.#is('proving')) return undefined
    this.#stage = 'proven'
    return message
  }

  /** Makes sure that the server knows the password too. */
  verify(serverFinal: string): void {
    if (this.#stage !== 'proven' || this.#scram === undefined) throw this.#disordered()
    try {
      this.#scram.client.verify(serverFinal)
    } catch (error) {
      throw this.#unsupported((error as Error).message, error)
    }
    this.#stage = 'verified'
    this.#completed = this.#scram.bound ? 'scram-sha-256-plus' : 'scram-sha-256'
  }

  /** Returns the response to a challenge of MD5. */
  respond(salt: Buffer): string {
    if (this.#stage !== 'begun') throw this.#disordered()
    const { user, password, boundOnly } = this.#credentials
    if (boundOnly === true) throw this.#unsupported('MD5')
    this.#stage = 'verified'
    this.#completed = 'md5'
    try {
      return `md5${md5(md5(password, user), salt)}`
    } catch (error) {
      // An OpenSSL that was built or set to know none (FIPS).
      throw this.#unsupported((error as Error).message, error)
    }
  }

  /** The server wants the password itself: at whatever moment, that is the end. */
  refuseCleartext(): Failure {
    this.#stage = 'over'
    return new Failure(
      'cleartext-password-demanded',
      `PostgreSQL asks for the password of "${oneLine(this.#credentials.user)}" in clear text.`,
      [
        'With such a pg_hba rule (password, ldap, pam, radius), the server sees the password and does not prove who it is.',
        'Ask the administrator for scram-sha-256 in pg_hba.conf.',
      ],
    )
  }

  /** The server is satisfied, with an exchange or without. */
  letIn(): void {
    if (this.#stage !== 'over') this.#stage = 'in'
  }

  #is(stage: string): boolean {
    return this.#stage === stage
  }

  #disordered(): Failure {
    this.#stage = 'over'
    return new Failure(
      'login-unsupported',
      `PostgreSQL asks "${oneLine(this.#credentials.user)}" for its password at the wrong step of the login.`,
      [
        'No PostgreSQL does that: something else answers behind this port, and may be after the password.',
        'It got a proof at most, never the password. Ask the administrator where the Service leads.',
      ],
    )
  }

  #stripped(): Failure {
    this.#stage = 'over'
    return new Failure(
      'channel-binding-failed',
      'PostgreSQL offers to bind the login to a TLS connection, and this connection has no TLS.',
      [
        'Something in between has TLS with the server and clear text with its clients. psql refuses this too.',
        'Use an sslmode that encrypts (require or stronger), or ask the administrator what is in between.',
      ],
    )
  }

  #unsupported(said: string, cause?: unknown): Failure {
    this.#stage = 'over'
    return new Failure(
      'login-unsupported',
      `PostgreSQL asks "${oneLine(this.#credentials.user)}" for a kind of login that is not supported: "${oneLine(said)}".`,
      [
        'A frequent cause is a pg_hba rule with gss, sspi or oauth, or something other than PostgreSQL behind this port.',
        'Ask the administrator for scram-sha-256 in pg_hba.conf.',
      ],
      { cause },
    )
  }
}

function md5(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
