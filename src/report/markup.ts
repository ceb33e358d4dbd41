import escapeHtml from 'escape-html'

/** HTML that is safe as it is. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * Puts values into HTML: texts and numbers escaped, markup as it is, lists one after the other. It is not called "html",
 * because the formatter would take its templates apart.
 */
export function markup(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Markup | readonly Markup[])[]
): Markup {
  const filled = values.map((value) => {
    if (value instanceof Markup) return value.text
    if (typeof value === 'object') return value.map(({ text }) => text).join('\n')
    return escapeHtml(String(value))
  })
  return new Markup(parts.map((part, index) => part + (filled[index] ?? '')).join(''))
}

/** No markup at all. */
export const nothing = new Markup('')
