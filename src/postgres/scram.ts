import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

/** What PostgreSQL 13 to 18 use by default (`scram_iterations` from 16 on). */
const iterations = 4096

/**
 * Gives the SCRAM-SHA-256 verifier that PostgreSQL stores as it is, so that the server never sees the password:
 * `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`, the parts in base64.
 *
 * Sources: RFC 5802 section 3, RFC 7677, and src/common/scram-common.c for the text form.
 *
 * @param salt 16 random bytes; given only to compare with known answers
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  const salted = await promisify(pbkdf2)(await prepare(password), salt, iterations, 32, 'sha256')
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64')
  const serverKey = key('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

/**
 * Says whether drivers disagree about a password: where SASLprep forbids it, PostgreSQL and libpq take it as it is,
 * while others, `pg` among them, map and normalise its characters all the same.
 */
export async function isAmbiguous(password: string): Promise<boolean> {
  const mapped = /[^\P{Zs} ]|\p{Default_Ignorable_Code_Point}/u
  const forbidden = (await prepared(password)) === undefined
  return forbidden && (mapped.test(password) || password !== password.normalize('NFKC'))
}

/** PostgreSQL takes a password as it is where SASLprep forbids it, so the verifier must do the same. */
async function prepare(password: string): Promise<string> {
  return (await prepared(password)) ?? password
}

/** Gives the password after SASLprep (RFC 4013), `undefined` where that forbids it. */
async function prepared(password: string): Promise<string | undefined> {
  // Nothing in ASCII is mapped, and its tables are large.
  if (/^[\x20-\x7e]*$/.test(password)) return password
  const { saslprep } = await import('@mongodb-js/saslprep')
  try {
    return saslprep(password)
  } catch {
    return undefined
  }
}
