import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = new URL('../../', import.meta.url)

/** A fenced block of a document. */
export interface Block {
  readonly file: string
  readonly line: number
  readonly language: string
  readonly text: string
  /** Why it cannot be run, where the document says so in a comment before it. */
  readonly notRun?: string
}

/** Returns every fenced block of every document of the repository. */
export async function allBlocks(): Promise<readonly Block[]> {
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
    cwd: fileURLToPath(root),
  })
  const files = stdout.trim().split('\n')
  const found = await Promise.all(
    files.map(async (file) => blocksOf(file, await readFile(new URL(file, root), 'utf8'))),
  )
  return found.flat()
}

function blocksOf(file: string, markdown: string): readonly Block[] {
  const fence = /(?:^<!-- not run: (.+) -->\n\n?)?^( *)```(\w*)\n([\s\S]*?)^ *```$/gm
  return [...markdown.matchAll(fence)].map(
    ({ 1: notRun, 2: indent = '', 3: language = '', 4: text = '', index }) => ({
      file,
      line: markdown.slice(0, index).split('\n').length,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      ...(notRun !== undefined && { notRun }),
    }),
  )
}

/** Returns the commands of a block of shell, each with its words; comments, pipes and redirections end a command. */
export function commandsOf(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/(^| )# .*$/, ''))
    .flatMap((line) => line.split(/ \| | && |; | > | < |<<SQL/))
    .map((command) =>
      [...command.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
        word.replace(/^(["'])(.*)\1$/s, '$2'),
      ),
    )
    .filter((words) => words.length > 0)
}
