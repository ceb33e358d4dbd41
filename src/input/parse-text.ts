import { X509Certificate } from 'node:crypto'
import { decodedText } from '../lib/encoded-text.ts'
import { didYouMean } from '../lib/nearest.ts'
import { certificateBlocks } from '../lib/pem.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { readRegularFile, UnfitFile } from '../lib/regular-file.ts'
import { oneLine, plainFingerprint } from '../lib/text.ts'
import { serviceOf, unfitService } from '../secrets/service-name.ts'
import type { Unfit } from '../secrets/unfit.ts'
import { unfitValue } from '../secrets/value.ts'
import { parseExisting, parseIdentifier, parseName, shown } from './names.ts'
import type { Parameter } from './parameters.ts'
import { parseRoleSettings } from './role-settings.ts'

/** A duration: hours, minutes and seconds in this order, at least one of them. */
const durationPattern = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/
/** Beyond this a timer of Node.js overflows; no pipeline job lives that long anyway. */
const longestMs = 24 * 3600 * 1000

/** What the text of a parameter means, or what is wrong with it, to follow its name. */
export type Parsed = { readonly value: unknown } | { readonly problem: string }

/** Reads the text of one parameter. */
export function parseText(parameter: Parameter, text: string): Parsed {
  switch (parameter.kind) {
    case 'text':
      return { value: text.trim() }
    case 'secret':
      return { value: text }
    case 'name':
      return parseName(text.trim(), parameter.name.endsWith('namespace'))
    case 'identifier':
      return parseIdentifier(text)
    case 'existing':
      return parseExisting(text)
    case 'host':
      return parseFit(text.trim(), (value) => unfitValue('PGHOST', value))
    case 'port':
      return parseFit(text.trim(), (value) => unfitValue('PGPORT', value))
    case 'service':
      return parseFit(text.trim(), unfitService, serviceOf)
    case 'list':
      return parseList(text)
    case 'settings':
      return parseRoleSettings(itemsOf(text))
    case 'patterns':
      return parsePatterns(text)
    case 'choice':
      return parseChoice(text.trim(), parameter.options ?? [])
    case 'choices':
      return parseChoices(text, parameter.options ?? [])
    case 'flag':
      return parseChoice(text.trim().toLowerCase(), ['true', 'false'], (word) => word === 'true')
    case 'duration':
      return parseDuration(text.trim())
    case 'fingerprints':
      return parseFingerprints(text)
    case 'pem':
      return parsePem(text.trim())
    case 'authority':
      return parseAuthority(text.trim())
    case 'address':
      return parseAddress(text.trim())
  }
}

/** What may stand in an access Secret as well, and is judged alike. */
function parseFit(
  text: string,
  unfit: (value: string) => Unfit | undefined,
  convert: (value: string) => unknown = (value) => value,
): Parsed {
  const found = unfit(text)
  return found === undefined ? { value: convert(text) } : { problem: found.problem }
}

function parseList(text: string): Parsed {
  const items = itemsOf(text)
  const tooLong = items.find((item) => Buffer.byteLength(item) > 63 || item.includes('\0'))
  if (tooLong !== undefined)
    return { problem: `${shown(tooLong)} is no PostgreSQL name: 63 bytes at most, no NUL` }
  return { value: [...new Set(items)] }
}

/** Patterns of refs. What would match nothing is refused, because a gate would then only warn. */
function parsePatterns(text: string): Parsed {
  const items = itemsOf(text, betweenPatterns).map((item) => item.replace(/^tag:\s+/, 'tag:'))
  if (items.length === 0) return { problem: 'holds no pattern' }
  const whole = items.find((item) => item.startsWith('refs/'))
  if (whole !== undefined) {
    const name = whole.replace(/^refs\/(heads|tags)\//, '')
    const short = whole.startsWith('refs/tags/') ? `tag:${name}` : name
    return { problem: `${shown(whole)} is a whole ref: write "${oneLine(short, 80)}"` }
  }
  for (const item of items) {
    const problem = matchesNothing(item.replace(/^tag:/, ''))
    if (problem !== undefined) return { problem: `${shown(item)} ${problem}` }
  }
  return { value: [...new Set(items)] }
}

/** Returns why no ref can match a pattern. Source: https://git-scm.com/docs/git-check-ref-format */
function matchesNothing(pattern: string): string | undefined {
  const uneven = (one: string, other: string): boolean =>
    pattern.split(one).length !== pattern.split(other).length
  if (pattern === '') return 'is no pattern'
  if (/^["'`]|["'`]$|^\["|"\]$/.test(pattern)) return 'has quotes around it: write the pattern alone'
  if (/^-/.test(pattern)) return 'begins with "-": write each pattern on a line of its own, without a dash'
  if (/^!(?!\()/.test(pattern))
    return 'begins with "!", and no pattern takes refs out: name those that are meant'
  if (/\s/.test(pattern)) return 'holds a blank, which is in no ref: a line end or a comma parts two patterns'
  if (/^[a-z]+:/i.test(pattern))
    return 'has another prefix than "tag:", which is the only one: a branch has none'
  if (/^\/|\/$/.test(pattern)) return 'begins or ends with a slash, and no ref does'
  if (uneven('{', '}')) return 'has a brace without the other one'
  return uneven('[', ']') ? 'has a bracket without the other one' : undefined
}

/** A line end, or a comma that is not one of `{main,develop}`. */
const betweenPatterns = /\n|,(?![^{\n]*\})/

function itemsOf(text: string, between = /[\n,]/): string[] {
  return text
    .split(between)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function parseChoices(text: string, options: readonly string[]): Parsed {
  const items = itemsOf(text)
  const [wrong] = items.map((item) => parseChoice(item, options)).filter((parsed) => 'problem' in parsed)
  return wrong ?? { value: [...new Set(items)] }
}

function parseChoice(
  text: string,
  options: readonly string[],
  convert: (word: string) => unknown = (word) => word,
): Parsed {
  if (options.includes(text)) return { value: convert(text) }
  return { problem: `${shown(text)} is none of ${options.join(', ')}${didYouMean(text, options)}` }
}

function parseDuration(text: string): Parsed {
  if (/^\d+$/.test(text))
    return { problem: `${shown(text)} has no unit: write ${text}m or ${Number(text) * 60}s` }
  const [, hours = '0', minutes = '0', seconds = '0'] = durationPattern.exec(text) ?? []
  const milliseconds = 1000 * (3600 * Number(hours) + 60 * Number(minutes) + Number(seconds))
  if (!durationPattern.test(text)) return { problem: `${shown(text)} is no duration: write 90s, 5m or 1h` }
  if (milliseconds < 1000 || milliseconds > longestMs) {
    return { problem: `${shown(text)} is out of range: at least 1s, at most 24h` }
  }
  return { value: milliseconds }
}

function parseFingerprints(text: string): Parsed {
  const fingerprints = itemsOf(text)
  const wrong = fingerprints.find((item) => !/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i.test(item))
  if (wrong !== undefined) {
    return { problem: `${shown(wrong)} is no SHA-256 fingerprint: 64 hex digits, with or without colons` }
  }
  return { value: fingerprints.map(plainFingerprint) }
}

/** Nothing of it is repeated that could be a credential. */
function parseAddress(text: string): Parsed {
  const placeholder = placeholderIn(text)
  if (placeholder !== undefined) return { problem: `is ${placeholder.what}` }
  const url = /^https:\/\/[^\s\\]+$/i.test(text) ? URL.parse(text) : null
  if (url === null || !/^[\w.:[\]-]+$/.test(url.hostname)) {
    return { problem: 'is no https:// address: it is written as https://HOST:PORT' }
  }
  if (url.username !== '' || url.password !== '') {
    return { problem: 'holds a user name or a password, which do not belong into an address' }
  }
  return { value: `${url.origin}${url.pathname.replace(/\/+/g, '/').replace(/\/$/, '')}` }
}

function parsePem(text: string): Parsed {
  if (text === 'system') return { value: text }
  return parseCertificates(pemText(text), 'is neither "system" nor PEM text, or a path to it,')
}

/** Base64 is of PEM, as in a kubeconfig. */
function parseAuthority(text: string): Parsed {
  const decoded = (value: string): string => decodedText(value.replace(/\s+/g, '')) ?? value
  const found = pemText(decoded(text))
  return parseCertificates(
    found instanceof UnfitFile ? found : decoded(found.trim()),
    'is neither PEM text, base64 of it, nor a path to one of them,',
  )
}

function parseCertificates(pem: string | UnfitFile, otherwise: string): Parsed {
  if (pem instanceof UnfitFile) return { problem: `names a file that is not read: ${pem.message}` }
  const blocks = certificateBlocks(pem)
  if (blocks.length === 0) return { problem: `${otherwise} with -----BEGIN CERTIFICATE----- in it` }
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    return { problem: 'holds a certificate that cannot be read' }
  }
  return { value: blocks.join('\n') }
}

/** Returns the text itself, or what the file of that name holds: GitLab and laptops pass certificates as files. */
function pemText(text: string): string | UnfitFile {
  if (text.includes('\n') || text.includes('-----BEGIN ')) return text
  try {
    return readRegularFile(text).toString()
  } catch (error) {
    return error instanceof UnfitFile ? error : text
  }
}
