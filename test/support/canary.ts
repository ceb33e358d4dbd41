/**
 * Finds credentials in what a run wrote, in any form in which somebody may have put them. What it looks for is listed
 * here anew and not taken from the product, which could forget the same form twice.
 */
export class Canaries {
  readonly #secrets = new Map<string, readonly string[]>()

  /** Remembers a credential. Anything that short would be found by chance, so it is no canary. */
  plant(secret: string): void {
    if (secret.length < 6) throw new Error('a canary has at least 6 characters')
    if (!this.#secrets.has(secret)) this.#secrets.set(secret, [...new Set(writtenForms(secret))])
  }

  /** Gives where a credential was found: the name of the text and what stands before it, never the credential. */
  leaks(
    texts: Readonly<Record<string, string>>,
    ignored: (secret: string) => boolean = () => false,
  ): string[] {
    const found: string[] = []
    // Forms of one sign each, such as `&#95;`, can stand beside others in one text: read them all as what they stand for.
    const read = Object.entries(texts).flatMap(([name, text]) =>
      [text, ...readings(text)].map((reading) => [name, reading] as const),
    )
    for (const [secret, forms] of this.#secrets) {
      if (ignored(secret)) continue
      const seen = new Set<string>()
      for (const [name, text] of read) {
        const form = seen.has(name) ? undefined : forms.find((each) => text.includes(each))
        if (form === undefined) continue
        seen.add(name)
        const at = text.indexOf(form)
        found.push(`${name}, after "${text.slice(Math.max(0, at - 60), at)}"`)
      }
    }
    return found
  }
}

/** Every character that some format escapes: markdown, HTML, XML, JSON, URL, SQL, shell, workflow command. */
export const escapedSigns = `\\<>&|*_[]#~!$@\`"'%:;,+=?/(){}^- é商😀`

/** Gives the ways to read a text whose signs may be escaped, each way on its own and one after the other. */
function readings(text: string): readonly string[] {
  const steps = [asEntities, asEscapes, asUrl]
  const alone = steps.map((step) => step(text))
  const both = steps.flatMap((first) => steps.map((second) => second(first(text))))
  return [...new Set([...alone, ...both])].filter((reading) => reading !== text)
}

const namedEntities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function asEntities(text: string): string {
  return text
    .replace(/&#(?:[xX]([\da-fA-F]{1,6})|(\d{1,7}));/g, (whole, hex?: string, decimal?: string) => {
      const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole
    })
    .replace(/&(amp|lt|gt|quot|apos);/g, (whole, name: string) => namedEntities[name] ?? whole)
}

function asEscapes(text: string): string {
  return text.replace(
    /\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|([^\w\s]))/g,
    (_, unit?: string, byte?: string, sign?: string) =>
      sign ?? String.fromCharCode(Number.parseInt(unit ?? byte ?? '', 16)),
  )
}

function asUrl(text: string): string {
  return text.replace(/(?:%[\da-fA-F]{2})+/g, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
}

/** Gives a text as it is and in base64, URL, JSON, HTML, SQL and hexadecimal form. */
export function writtenForms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const sql = secret.replaceAll("'", "''")
  const url = encodeURIComponent(secret)
  const command = secret.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = command.replaceAll(':', '%3A').replaceAll(',', '%2C')
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    url,
    url.replace(/%../g, (code) => code.toLowerCase()),
    new URLSearchParams([['', secret]]).toString().slice(1),
    hex.replace(/../g, '%$&'),
    hex.replace(/../g, '%$&').toUpperCase(),
    command,
    property,
    property.replace(/%../g, (code) => code.toLowerCase()),
    html(secret),
    html(secret).replaceAll('&#39;', '&apos;'),
    html(secret).replaceAll('&#39;', "'"),
    html(secret).replaceAll('&#39;', "'").replaceAll('&quot;', '"'),
    ...references(secret),
    sql,
    sql.replaceAll('\\', '\\\\'),
    secret.replaceAll("'", `'\\''`),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].flatMap((before) => {
      const inside = base64Inside(bytes, before)
      return [inside, inside.replaceAll('+', '-').replaceAll('/', '_')]
    }),
  ]
}

/** Numeric references: of what markdown knows, of all but letters and digits, and of everything. */
function references(secret: string): readonly string[] {
  const kinds = [
    (sign: string): string => `&#${sign.codePointAt(0) ?? 0};`,
    (sign: string): string => `&#x${(sign.codePointAt(0) ?? 0).toString(16)};`,
    (sign: string): string => `&#X${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase()};`,
  ]
  return [/[\\<>&|*_[\]#~!$@`]/gu, /[^\da-z]/giu, /[^]/gu].flatMap((signs) =>
    kinds.map((kind) => secret.replace(signs, kind)),
  )
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** The digits of base64 that belong to these bytes alone, with so many others before them and any number after. */
function base64Inside(bytes: Buffer, before: number): string {
  const digits = Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const shared = (before + bytes.length) % 3 === 0 ? 0 : 1
  return digits.slice([0, 2, 3][before], digits.length - shared)
}
