import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Returns GitHub's own validator of workflows and actions, which gives what is wrong with a file of this path. The package
 * leaves out what Node.js wants said about its JSON files, so that it runs only once it is bundled.
 */
export async function loadValidator(): Promise<
  (path: string, content: string) => Promise<readonly string[]>
> {
  const folder = await mkdtemp(join(tmpdir(), 'pg-app-user-validator-'))
  try {
    const outfile = join(folder, 'validator.cjs')
    await build({
      stdin: {
        contents: `export { validate } from '@actions/languageservice'
          export { TextDocument } from 'vscode-languageserver-textdocument'`,
        resolveDir: root,
      },
      bundle: true,
      format: 'cjs',
      platform: 'node',
      outfile,
    })
    const { validate, TextDocument } = createRequire(import.meta.url)(outfile) as {
      validate: (document: unknown) => Promise<{ message: string; range: { start: { line: number } } }[]>
      TextDocument: { create: (uri: string, language: string, version: number, content: string) => unknown }
    }
    return async (path, content) => {
      const found = await validate(TextDocument.create(`file:///${path}`, 'yaml', 1, content))
      return found.map(({ message, range }) => `${path}:${range.start.line + 1} ${message}`)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}
