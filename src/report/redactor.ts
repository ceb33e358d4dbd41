import { oneLine } from '../lib/text.ts'

/** What stands where a credential would have been. */
const blank = '***'

/** What `oneLine` puts where it cuts a text off. */
const cut = '…'

/** Shorter texts occur in words by chance: what is left around the blank would tell them. */
const shortest = 6

/** What a credential is looked for as: its length, its beginning where a cut may have left that, and how to take it out. */
interface Needle {
  readonly length: number
  readonly form?: string
  replace(text: string): string
}

/**
 * Knows the credentials of a run and takes them out of whatever is written, in every form in which a library, a
 * server or a format may have put them.
 */
export class Redactor {
  private readonly needles = new Map<string, Needle>()
  private readonly names = new Set<string>()
  private sorted: readonly Needle[] = []

  /**
   * Makes names known that a run shows by design. A credential that is part of one is not looked for: the blank in its
   * place would tell it.
   */
  publish(names: readonly string[]): void {
    for (const name of names) this.names.add(name.toLowerCase())
  }

  /** Says whether a text can be taken out of others without being told by that. */
  canHide(text: string): boolean {
    const lower = text.toLowerCase()
    return text.length >= shortest && ![...this.names].some((name) => name.includes(lower))
  }

  /** Adds a credential, and each line of one that has several: logs break texts at their lines. */
  add(credential: string): void {
    for (const part of credentialParts(credential).filter((each) => this.canHide(each))) {
      // Before the forms: a sign that stands in its own escape (%25) must not be taken out alone.
      const pattern = anyEscape(part)
      if (pattern !== undefined) {
        this.needles.set(pattern.source, {
          length: part.length,
          replace: (text) => text.replace(pattern, blank),
        })
      }
      for (const form of encodings(part)) {
        this.needles.set(form, { length: form.length, form, replace: (text) => text.replaceAll(form, blank) })
      }
    }
    // The longest first, so that no form leaves the rest of a longer one behind.
    this.sorted = [...this.needles.values()].sort((one, other) => other.length - one.length)
  }

  /** Returns the text without any credential in it, be it one that was cut off half-way, or one that stands in a URL. */
  redact(text: string): string {
    const rest = this.sorted.reduce((line, needle) => needle.replace(line), text)
    return withoutUserinfo(rest)
      .split(cut)
      .map((part, index, parts) => (index < parts.length - 1 ? this.withoutStump(part) : part))
      .join(cut)
  }

  /** Takes the beginning of a credential off the end of a text. */
  private withoutStump(text: string): string {
    for (const { form } of this.sorted) {
      if (form === undefined) continue
      const beginning = form.slice(0, shortest)
      const from = Math.max(0, text.length - form.length)
      for (let at = text.indexOf(beginning, from); at !== -1; at = text.indexOf(beginning, at + 1)) {
        if (form.startsWith(text.slice(at))) return `${text.slice(0, at)}${blank}`
      }
    }
    return text
  }
}

/** Takes out what stands before the host of a URL: it is a credential wherever it stands. */
function withoutUserinfo(text: string): string {
  return text.replace(/:\/\/[^\s/?#\\]*@/g, `://${blank}@`)
}

/**
 * Returns the texts to hide for one credential: the whole, and every line that says something. The frame of PEM is left
 * out: hiding it would hide every certificate's frame as well.
 */
export function credentialParts(credential: string): readonly string[] {
  const lines = credential
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('-----'))
  return [...new Set([credential.trim(), ...lines])].filter((part) => part !== '')
}

/** Returns a text in each form in which it may show up as a whole: raw, base64 at any offset, URL, JSON, SQL, hex. */
export function encodings(text: string): readonly string[] {
  const bytes = Buffer.from(text)
  const json = JSON.stringify(text).slice(1, -1)
  const hex = bytes.toString('hex')
  // Half a character (a lone surrogate) cannot be written in a URL, and becomes U+FFFD in bytes.
  const url = encodeURIComponent(text.toWellFormed())
  const points = Array.from(text, (sign) => sign.codePointAt(0) ?? 0)
  const units = text.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'))
  const hexForms = [
    hex,
    hex.replace(/../g, '%$&'),
    hex.replace(/../g, '\\x$&'),
    units.map((unit) => `\\u${unit}`).join(''),
  ]
  const digits = points.map((point) => point.toString(16))
  const entities = ['x', 'X'].flatMap((x) =>
    [digits, digits.map((each) => each.toUpperCase())].map((each) => `&#${x}${each.join(`;&#${x}`)};`),
  )
  return [
    ...new Set([
      text,
      oneLine(text, Infinity),
      ...base64Forms(bytes),
      url,
      new URLSearchParams({ '': text }).toString().slice(1),
      json,
      text.replaceAll("'", "''"),
      text.replaceAll("'", "''").replaceAll('\\', '\\\\'),
      ...hexForms,
      ...hexForms.map((form) => form.replace(/[\da-f]{2,}/g, (digits) => digits.toUpperCase())),
      ...entities,
      points.map((point) => `&#${point};`).join(''),
    ]),
  ]
}

/** What is written as it is by every format. */
const plain = /^[\da-z]$/i
/** What may become one space, or one more of the same: each run of them is looked for as a whole. */
const runs = /([\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+|[\\']+)/u
const quotes = /[\\']/

/**
 * Returns a pattern for a text whose signs were escaped one by one, each in any way that HTML, XML, markdown, JSON, URLs,
 * SQL, shells or workflow commands know, also where one of them stands in another. Gives `undefined` for a text in which
 * nobody escapes anything.
 */
function anyEscape(text: string): RegExp | undefined {
  const pieces = text.split(runs).flatMap((piece, index) => (index % 2 === 1 ? [piece] : Array.from(piece)))
  if (pieces.every((piece) => plain.test(piece))) return undefined
  const pattern = pieces.map((piece, index) => {
    if (plain.test(piece)) return piece
    if (runs.test(piece)) return `(?:${runOf(piece)})+`
    // A run of quotes before it has taken the backslashes already.
    const own = quotes.test(pieces[index - 1] ?? '') ? '' : '\\\\*'
    return `${own}(?:${[...escapesOf(piece), escapedForPattern(piece)].join('|')})`
  })
  return new RegExp(beginOf(pieces[0] ?? '') + pattern.join(''), 'gu')
}

/** Foreign text may be made to take long: of several backslashes or quotes, a match begins at the first alone. */
function beginOf(piece: string): string {
  if (quotes.test(piece)) return "(?<![\\\\'])"
  return plain.test(piece) || runs.test(piece) ? '' : '(?<!\\\\)'
}

function runOf(run: string): string {
  if (quotes.test(run)) return ["[\\\\']", ...escapesOf('\\'), ...escapesOf("'")].join('|')
  const blank = runs.source.slice(1, runs.source.indexOf('+'))
  return [
    blank,
    ...[...new Set(Array.from(`${run} `))]
      .flatMap(escapesOf)
      .map((each) => (/^[ux]/.test(each) ? `\\\\+${each}` : each)),
    '\\+',
    '\\\\+[nrtbfv]',
  ].join('|')
}

/** Every way to write a sign but as it is, without the backslashes that some begin with. */
function escapesOf(sign: string): readonly string[] {
  const and = '&(?:amp;)*'
  const point = sign.codePointAt(0) ?? 0
  const hex = point.toString(16)
  const named = entityNames[sign]
  const bytes = [...Buffer.from(sign)].map((byte) => byte.toString(16).padStart(2, '0'))
  const units = sign.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'))
  return [
    `${and}#0*${point};`,
    `${and}#[xX]0*${anyCase(hex)};`,
    ...(named === undefined ? [] : [`${and}${named};`]),
    bytes.map((byte) => `%(?:25)*${anyCase(byte)}`).join(''),
    units.map((unit) => `u${anyCase(unit)}`).join('\\\\+'),
    ...(point < 256 ? [`x${anyCase(hex.padStart(2, '0'))}`] : []),
  ]
}

function escapedForPattern(sign: string): string {
  return sign.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}

const entityNames: Readonly<Record<string, string>> = {
  '&': 'amp',
  '<': 'lt',
  '>': 'gt',
  '"': 'quot',
  "'": 'apos',
}

/** A pattern for hexadecimal digits in upper and lower case. */
function anyCase(digits: string): string {
  return digits.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}

/**
 * Base64 of a text depends on how many bytes stand before it. Of the three ways, gives the characters that the text
 * alone decides, in both alphabets (RFC 4648).
 */
function base64Forms(bytes: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const start = Math.ceil((offset * 8) / 6)
    const end = Math.floor(((offset + bytes.length) * 8) / 6)
    const certain = encoded.slice(start, end)
    return [certain, certain.replaceAll('+', '-').replaceAll('/', '_')]
  })
}
