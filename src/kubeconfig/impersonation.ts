import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { oneLine } from '../lib/text.ts'
import { invalid } from './failure.ts'

/** Headers of a request. */
export type Headers = Readonly<Record<string, string | string[]>>

/**
 * Returns the headers that ask an API server to act as somebody else, none where the entry of a user names nobody.
 *
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function impersonationOf(fields: Fields, owner: string, source: string): Headers {
  const user = text(fields, 'as')
  const uid = text(fields, 'as-uid')
  const groups = list(fields['as-groups']).map(String)
  const extra = Object.entries(record(fields['as-user-extra']))
  if (user === '') {
    if (uid === '' && groups.length === 0 && extra.length === 0) return {}
    throw invalid(source, `its ${owner} has as-uid, as-groups or as-user-extra, and no as`, [
      'These fields only add to the field as. Without it, the run would act as another user than the one that is meant.',
    ])
  }
  for (const [key, values] of extra) {
    if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
      throw invalid(
        source,
        `the value of ${oneLine(key, 60)} in the as-user-extra of ${owner} is no list of texts`,
      )
    }
  }
  const named: [string, readonly string[]][] = [
    ['Impersonate-User', [user]],
    ['Impersonate-Uid', uid === '' ? [] : [uid]],
    ['Impersonate-Group', groups],
    ...extra.map(([key, values]): [string, readonly string[]] => [
      `Impersonate-Extra-${escaped(key)}`,
      list(values).map(String),
    ]),
  ]
  return Object.fromEntries(
    named
      .filter(([, values]) => values.length > 0)
      .map(([name, values]) => {
        const sent = values.map((value) => inHeader(value, owner, source))
        return [name, sent.length === 1 ? (sent[0] ?? '') : sent]
      }),
  )
}

/** Go sends UTF-8 in headers, and Node.js one byte for each character. */
function inHeader(value: string, owner: string, source: string): string {
  // What no header takes: all but the tab.
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw invalid(
      source,
      `the user or group that its ${owner} is to act as (as, as-groups) holds a control character`,
      ['No header takes a line end or the like.'],
    )
  }
  return Buffer.from(value).toString('latin1')
}

/** A key becomes a part of a header's name: what may not stand there, and the percent sign, is escaped. */
function escaped(key: string): string {
  return [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[\w!#$&'*+.^`|~-]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
