import { looksMadeAtRandom } from '../lib/made-at-random.ts'
import { encodedBefore } from '../lib/encoded-text.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { foreignForm } from './unfit.ts'

/** What can be told of the name and the password of an admin before any server was asked. */
export interface AdminLogin {
  /** Whether the name is shown where PostgreSQL does not know it: a password may have got into its place. */
  readonly named: boolean
  /** What looks wrong with either of them, one thought a line: the likely cause where a login is refused. */
  readonly doubts: readonly string[]
  /** What of the name is to be kept out of everything that is written. */
  readonly credentials: readonly string[]
}

/**
 * Judges the name and the password of an admin. Either may be anything, so it only says what is likely.
 *
 * @param from where the two stand: the names of their keys
 */
export function judgeAdmin(
  user: string,
  password: string,
  from: { readonly user: string; readonly password: string },
): AdminLogin {
  const random = looksMadeAtRandom(user)
  const swapped = random ? !looksMadeAtRandom(password) : looksLikeName(password)
  const several = /[:=/]/.test(user)
  const named = !random && !swapped && /^[\p{L}\p{N}_.@$-]+$/u.test(user)
  const doubts = [
    ...(swapped ? swappedDoubt(from) : []),
    ...doubtsAbout(from.user, user, 'name'),
    ...(several && foreignForm(user, 'name') === undefined
      ? [`${from.user} looks like more than a name: a user with a password behind it, for example.`]
      : []),
    ...doubtsAbout(from.password, password, 'password'),
  ]
  const parts = several ? user.split(/[\s:=/@]+/).slice(1) : []
  return { named, doubts, credentials: random || several ? [user, ...parts] : [] }
}

function swappedDoubt(from: { readonly user: string; readonly password: string }): readonly string[] {
  return [
    `${from.user} and ${from.password} are probably swapped: the one looks like a password, or the other like a name.`,
    `${from.user} is not shown for that reason. If they are swapped, the password stands in the log of PostgreSQL now: set a new one.`,
  ]
}

function doubtsAbout(key: string, value: string, wanted: 'name' | 'password'): readonly string[] {
  const placeholder = placeholderIn(value)
  if (placeholder !== undefined) return [`${key} is ${placeholder.what}. ${placeholder.from}`]
  if (encodedBefore(value) !== undefined)
    return [`${key} looks like base64 of text: it was probably encoded twice.`]
  const form = foreignForm(value, wanted)
  return form === undefined ? [] : [`${key} ${form}.`]
}

function looksLikeName(text: string): boolean {
  return /^[a-z_][a-z0-9_-]*$/.test(text) && !looksMadeAtRandom(text)
}
