import { beforeAll, describe, expect, it } from '@jest/globals'
import { build } from 'esbuild'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { failureCodes } from '../../src/failure.ts'
import { changeActions, changeObjects } from '../../src/outcome.ts'
import { outputs, parameters } from '../../src/parameters.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function contentOf(path: string): Promise<string> {
  return await readFile(join(root, path), 'utf8')
}

describe('generated files', () => {
  it('are what the table of parameters gives', async () => {
    const run = promisify(execFile)(process.execPath, ['scripts/generate.ts', '--check'], { cwd: root })
    await expect(run).resolves.toMatchObject({ stdout: '' })
  })
})

describe('docs/troubleshooting.md', () => {
  it('has one entry for every failure code, and no other', async () => {
    const headings = [...(await contentOf('docs/troubleshooting.md')).matchAll(/^## (.+)$/gm)]
    expect(headings.map(([, heading]) => heading).sort()).toEqual([...failureCodes].sort())
  })
})

describe('README.md', () => {
  it('explains every word of the output changes', async () => {
    const rows = [...(await contentOf('README.md')).matchAll(/^\| `([a-z]+)` +\| `([a-z-]+)` +\|/gm)]
    expect(new Set(rows.map(([, object]) => object))).toEqual(new Set(changeObjects))
    expect(new Set(rows.map(([, , action]) => action))).toEqual(new Set(changeActions))
  })

  it('uses inputs and outputs that exist', async () => {
    const readme = await contentOf('README.md')
    const [workflow] = workflowsIn(readme)
    const { jobs } = parse(workflow ?? '') as Workflow
    const steps = Object.values(jobs).flatMap((job) => job.steps)
    const step = steps.find(({ uses }) => uses?.startsWith('elastisys/pg-app-user@'))
    const known: readonly string[] = parameters.map(({ name }) => name)
    expect(known).toEqual(expect.arrayContaining(Object.keys(step?.with ?? {})))
    const required = parameters.filter((parameter) => 'required' in parameter)
    expect(Object.keys(step?.with ?? {})).toEqual(expect.arrayContaining(required.map(({ name }) => name)))
    const used = [...readme.matchAll(/steps\.database\.outputs\.([a-z-]+)/g)].map(([, name]) => name)
    expect(outputs.map(({ name }) => name)).toEqual(expect.arrayContaining(used))
  })
})

describe.each([
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'gitlab/README.md',
  'docs/command-line.md',
  'docs/go-live.md',
  'docs/how-it-works.md',
  'docs/reliability.md',
  'docs/troubleshooting.md',
])('the links of %s', (path) => {
  it('lead somewhere', async () => {
    const links = [...(await contentOf(path)).matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]*))?\)/g)]
    const broken: string[] = []
    for (const [, file = '', anchor] of links) {
      const target = file === '' ? path : join(path, '..', file)
      const content = await contentOf(target).catch(() => undefined)
      const found = content !== undefined && (anchor === undefined || anchorsOf(content).includes(anchor))
      if (!found) broken.push(`${target}#${anchor ?? ''}`)
    }
    expect(broken).toEqual([])
  })
})

/** What GitHub makes of headings. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

interface Workflow {
  readonly jobs: Record<string, { steps: { uses?: string; with?: Record<string, string> }[] }>
}

function workflowsIn(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```yaml\n(on:\n[\s\S]*?)^```$/gm)].map(([, yaml = '']) => yaml)
}

describe("GitHub's validator", () => {
  let problemsOf: (path: string, content: string) => Promise<readonly string[]>

  beforeAll(async () => {
    problemsOf = await loadValidator()
  })

  it('finds nothing wrong with action.yml', async () => {
    expect(await problemsOf('action.yml', await contentOf('action.yml'))).toEqual([])
  })

  it('finds nothing wrong with the workflows of this repository and of the README', async () => {
    const folder = '.github/workflows'
    const names = await readdir(join(root, folder))
    const own = await Promise.all(names.map(async (name) => await contentOf(join(folder, name))))
    const shown = workflowsIn(await contentOf('README.md'))
    expect(shown).not.toEqual([])
    for (const [index, content] of [...own, ...shown].entries()) {
      expect(await problemsOf(`${folder}/${index}.yml`, content)).toEqual([])
    }
  })

  it('would find what is wrong', async () => {
    const action = await contentOf('action.yml')
    expect(await problemsOf('wrong/action.yml', action.replace('main:', 'mian:'))).not.toEqual([])
    const workflow = 'on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ uses: a/b@v1, wth: {} }] } }\n'
    expect(await problemsOf('.github/workflows/wrong.yml', workflow)).not.toEqual([])
  })
})

/** The package leaves out what Node.js wants said about its JSON files, so that it runs only once it is bundled. */
async function loadValidator(): Promise<(path: string, content: string) => Promise<readonly string[]>> {
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
