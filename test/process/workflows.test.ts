import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { allBlocks } from '../support/blocks.ts'
import { runAction } from './action.ts'

interface Job {
  readonly uses?: string
  readonly with?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> }
  readonly steps?: readonly {
    readonly uses?: string
    readonly with?: Readonly<Record<string, string | boolean>>
  }[]
}

/** One way to run the action that a workflow of a document shows. */
interface Case {
  readonly place: string
  readonly inputs: Readonly<Record<string, string | boolean>>
  readonly env: Readonly<Record<string, string>>
  /** What expressions of this job may name, beside what a repository and a pull request have. */
  readonly names: Readonly<Record<string, string>>
}

let sandbox: Sandbox
beforeEach(async () => {
  sandbox = await startSandbox()
})
afterEach(async () => {
  await sandbox.stop()
})

const workflows = (await allBlocks())
  .filter(({ language, text }) => language === 'yaml' && /^jobs:/m.test(text))
  .map(({ file, line, text }) => ({ file, line, jobs: (parse(text) as { jobs: Record<string, Job> }).jobs }))

/** What whoever calls a reusable workflow of the same document gives it. */
function givenIn(file: string): Readonly<Record<string, string>> {
  const callers = workflows.filter((one) => one.file === file).flatMap(({ jobs }) => Object.values(jobs))
  const given = callers.find(({ uses }) => uses !== undefined)?.with ?? {}
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [`inputs.${name}`, value]))
}

/** One after the other, each value of each name of a matrix. */
function matricesOf({ strategy }: Job): readonly Readonly<Record<string, string>>[] {
  return Object.entries(strategy?.matrix ?? {}).reduce<readonly Readonly<Record<string, string>>[]>(
    (some, [name, values]) =>
      some.flatMap((one) => values.map((value) => ({ ...one, [`matrix.${name}`]: value }))),
    [{}],
  )
}

// Those without a stored kubeconfig need an issuer: test/process/identity.test.ts has them.
const cases: readonly Case[] = workflows.flatMap(({ file, line, jobs }) =>
  Object.values(jobs).flatMap((job) =>
    (job.steps ?? []).flatMap(({ uses, with: inputs = {} }) =>
      uses?.startsWith('elastisys/pg-app-user@') !== true || inputs['kubeconfig'] === undefined
        ? []
        : matricesOf(job).map((matrix) => ({
            place: [`${file}:${line}`, ...Object.values(matrix)].join(', '),
            inputs,
            env: job.env ?? {},
            names: { ...givenIn(file), ...matrix },
          })),
    ),
  ),
)

/** Puts values in the place of expressions; a name that nothing stands for is an error. */
function evaluated(text: string, names: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{\{ *([\w.-]+) *\}\}/g, (_, name: string) => {
    const value = names[name]
    if (value === undefined) throw new Error(`nothing stands for ${name}`)
    return value
  })
}

function context(): Readonly<Record<string, string>> {
  const { accessNamespace, accessSecret, api } = sandbox
  return {
    'secrets.KUBECONFIG_CONTENTS_B64': Buffer.from(api.adminKubeconfig()).toString('base64'),
    'vars.API_SERVER': api.url,
    'vars.ACCESS_SECRET': accessSecret,
    'vars.ACCESS_NAMESPACE': accessNamespace,
    'github.event.number': '4711',
  }
}

test('there is one for each recipe that has a workflow, and the quick start', () => {
  const files = new Set(cases.map(({ place }) => place.replace(/:.*/, '')))
  expect([...files].sort()).toEqual(['README.md', 'docs/recipes.md'])
  expect(cases.length).toBeGreaterThanOrEqual(9)
})

test.each(cases)('the workflow of $place does what it is for', async ({ inputs, env, names }) => {
  const known = { ...context(), ...names }
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, evaluated(String(value), known)]),
  )
  const namespace = given['app-namespace'] ?? ''
  const name = given['app-secret'] ?? 'app-postgresql-secret'
  sandbox.api.put({ kind: 'Namespace', metadata: { name: namespace } })
  const gate = given['provision'] === 'false'
  if (gate)
    expect(
      (await runAction({ inputs: { ...given, provision: 'true', 'go-live': 'off' }, sandbox })).code,
    ).toBe(0)
  const run = await runAction({ inputs: given, env, sandbox })
  expect(run).toMatchObject(
    gate
      ? { code: 1, log: expect.stringContaining('[go-live-held-back]') }
      : { code: 0, outputs: { 'secret-name': name, database: given['app-database'] } },
  )
  const secret = sandbox.api.get('Secret', namespace, name)?.['data'] as Record<string, string>
  expect(Buffer.from(secret['PGDATABASE'] ?? '', 'base64').toString()).toBe(given['app-database'])
})
