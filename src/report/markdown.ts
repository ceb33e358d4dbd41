import { longestFence, oneLine } from '../lib/text.ts'

/** Returns a table; its cells are markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Returns content that is folded away below its title, which is HTML. */
export function fold(title: string, content: string): string {
  return `<details><summary>${title}</summary>\n\n${content}\n\n</details>`
}

/** Returns a block of code that no content can break out of. */
export function block(language: string, content: string): string {
  const fence = '`'.repeat(Math.max(3, longestFence(content) + 1))
  return `${fence}${language}\n${content.trimEnd()}\n${fence}`
}

/** Returns the parts that are not empty, with a line between them. */
export function paragraphs(...parts: readonly string[]): string {
  return `${parts
    .map((part) => part.trimEnd())
    .filter((part) => part !== '')
    .join('\n\n')}\n`
}

/** Returns a name as code that it cannot break out of, in a table or elsewhere. */
export function code(name: string): string {
  const line = oneLine(name)
  return /[`|\\]/.test(line) || line === '' ? `<code>${entities(line)}</code>` : `\`${line}\``
}

/** Returns a line of markdown as HTML, for where markdown has no effect: what `code` gave keeps its meaning. */
export function html(line: string): string {
  return line.replace(/`([^`]*)`/g, (_, name: string) => `<code>${entities(name)}</code>`)
}

/**
 * Returns a text on one line, whose markdown and HTML have no effect but for its code spans: what stands between two
 * equally long runs of backticks. Source: https://spec.commonmark.org/0.31.2/#code-spans
 */
export function escape(text: string): string {
  return text
    .replace(/[\r\n\u2028\u2029]+/g, ' ')
    .replace(/(?<!`)(`+)(?!`)([^]*?)(?<!`)\1(?!`)|`+|[^`]+/g, (part, fence?: string, content?: string) =>
      fence === undefined ? entities(part) : code(content ?? ''),
    )
}

/** Every character that means something to markdown or HTML, as a reference to itself. */
function entities(text: string): string {
  return text.replace(/[\\<>&|*_[\]#~!$@`]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
