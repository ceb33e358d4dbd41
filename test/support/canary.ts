/**
 * Finds credentials in what a run wrote, in any form in which somebody may have put them. What it looks for is listed
 * here anew and not taken from the product, which could forget the same form twice.
 */
export class Canaries {
  readonly #secrets = new Map<string, readonly string[]>()

  /** Remembers a credential. Anything that short would be found by chance, so it is no canary. */
  plant(secret: string): void {
    if (secret.length < 6) throw new Error('a canary has at least 6 characters')
    if (!this.#secrets.has(secret)) this.#secrets.set(secret, writtenForms(secret))
  }

  /** Gives where a credential was found: the name of the text and what stands before it, never the credential. */
  leaks(
    texts: Readonly<Record<string, string>>,
    ignored: (secret: string) => boolean = () => false,
  ): string[] {
    const found: string[] = []
    for (const [secret, forms] of this.#secrets) {
      if (ignored(secret)) continue
      for (const [name, text] of Object.entries(texts)) {
        const form = forms.find((each) => text.includes(each))
        if (form === undefined) continue
        const at = text.indexOf(form)
        found.push(`${name}, after "${text.slice(Math.max(0, at - 60), at)}"`)
      }
    }
    return found
  }
}

/** Gives a text as it is and in base64, URL, JSON, HTML, SQL and hexadecimal form. */
export function writtenForms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const sql = secret.replaceAll("'", "''")
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    hex.replace(/../g, '%$&').toUpperCase(),
    html(secret),
    sql,
    sql.replaceAll('\\', '\\\\'),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].flatMap((before) => {
      const inside = base64Inside(bytes, before)
      return [inside, inside.replaceAll('+', '-').replaceAll('/', '_')]
    }),
  ]
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
