import { oneLine } from '../text.ts'

/** What stands where a credential would have been. */
const blank = '***'

/** What `oneLine` puts where it cuts a text off. */
const cut = '…'

/** Shorter texts occur in ordinary words by chance, so only their exact form is looked for. */
const shortestToEncode = 6

/**
 * Knows the credentials of a run and takes them out of whatever is written, in every form in which a library, a
 * server or a format may have put them.
 */
export class Redactor {
  private readonly forms = new Set<string>()
  private sorted: readonly string[] = []

  /** Adds a credential, and each line of one that has several: logs break texts at their lines. */
  add(credential: string): void {
    for (const part of credentialParts(credential)) {
      for (const form of part.length < shortestToEncode ? [part] : encodings(part)) this.forms.add(form)
    }
    // The longest first, so that no form leaves the rest of a longer one behind.
    this.sorted = [...this.forms].sort((one, other) => other.length - one.length)
  }

  /** Gives the text without any credential in it, be it one that was cut off half-way. */
  redact(text: string): string {
    const rest = this.sorted.reduce((line, form) => line.replaceAll(form, blank), text)
    return rest
      .split(cut)
      .map((part, index, parts) => (index < parts.length - 1 ? this.withoutStump(part) : part))
      .join(cut)
  }

  /** Takes the beginning of a credential off the end of a text. */
  private withoutStump(text: string): string {
    for (const form of this.sorted) {
      const beginning = form.slice(0, shortestToEncode)
      const from = Math.max(0, text.length - form.length)
      for (let at = text.indexOf(beginning, from); at !== -1; at = text.indexOf(beginning, at + 1)) {
        if (form.startsWith(text.slice(at))) return `${text.slice(0, at)}${blank}`
      }
    }
    return text
  }
}

/**
 * Gives the texts to hide for one credential: the whole, and every line that says something. The frame of PEM is left
 * out: hiding it would hide every certificate's frame as well.
 */
export function credentialParts(credential: string): readonly string[] {
  const lines = credential
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('-----'))
  return [...new Set([credential.trim(), ...lines])].filter((part) => part !== '')
}

/** Gives a text in each form in which it may show up: raw, base64 at any offset, URL, JSON, HTML, SQL, hex. */
export function encodings(text: string): readonly string[] {
  const bytes = Buffer.from(text)
  const json = JSON.stringify(text).slice(1, -1)
  const hex = bytes.toString('hex')
  // Half a character (a lone surrogate) cannot be written in a URL, and becomes U+FFFD in bytes.
  const url = encodeURIComponent(text.toWellFormed())
  const html = text.replace(/[&<>"']/g, (sign) => htmlSigns[sign] ?? sign)
  return [
    ...new Set([
      text,
      oneLine(text, Infinity),
      ...base64Forms(bytes),
      url,
      url.replace(/%../g, (code) => code.toLowerCase()),
      hex.replace(/../g, '%$&').toUpperCase(),
      new URLSearchParams({ '': text }).toString().slice(1),
      json,
      asciiJson(json),
      html,
      text.replaceAll("'", "''"),
      text.replaceAll("'", "''").replaceAll('\\', '\\\\'),
      hex,
      hex.toUpperCase(),
    ]),
  ]
}

/** JSON as Go and Python write it: what HTML or ASCII does not take as it is becomes a number. */
function asciiJson(json: string): string {
  return json.replace(/[<>&]|[^\0-\x7f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const htmlSigns: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
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
