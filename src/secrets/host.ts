import { isIP } from 'node:net'
import { encodedBefore } from '../lib/encoded-text.ts'
import { encodedTwice, foreignForm, type Unfit, unfitPlaceholder } from './unfit.ts'

const shape =
  'A host is a name, an IPv4 or an IPv6 address, or several of them with commas and no space between; the port stands under PGPORT.'

/**
 * Returns what is wrong with a text where libpq wants a host: a name, an IPv4 or IPv6 address, or a list of these. Nothing
 * of it is quoted but what can hold no credential.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
export function unfitHost(value: string): Unfit | undefined {
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  if (isHost(encodedBefore(value) ?? '') && /[A-Z]/.test(value)) return encodedTwice
  if (value.split(',').every(isHost)) return undefined
  return { problem: problemOf(value), hint: shape }
}

/** A name as resolvers take it, which is more than RFC 1123 allows. */
function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true
  const labels = text.replace(/\.$/, '').split('.')
  return (
    text.length <= 254 &&
    labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    // What ends with a number is an address or nothing. Source: https://url.spec.whatwg.org/#ends-in-a-number-checker
    !/^\d+$/.test(labels.at(-1) ?? '')
  )
}

function problemOf(value: string): string {
  const form = foreignForm(value, 'host')
  if (form !== undefined) return form
  if (/^[@/]/.test(value)) return 'names a local socket, which no Pod of an application has'
  if (/\s/.test(value)) return 'holds a space'
  if (/^,|,,|,$/.test(value)) return 'is a list with an empty entry, which to libpq is a local socket'
  const entries = value.split(',')
  if (entries.some((entry) => isIP(/^\[(.*)\](?::\d+)?$/.exec(entry)?.[1] ?? '') === 6)) {
    return 'has an IPv6 address in brackets, which only URLs have'
  }
  if (entries.some((entry) => isHost(/^([^:]+):\d{1,5}$/.exec(entry)?.[1] ?? ''))) return 'holds a port'
  if (/^[^/@]+\/[\w-]*$/.test(value)) return 'has a path behind it'
  return 'is no host'
}
