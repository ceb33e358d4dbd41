import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../sandbox/api.ts'
import { Bench } from '../support/bench.ts'
import { Canaries } from '../support/canary.ts'

/**
 * What people have in an access Secret, and what a run makes of it. A case is a line of `cases.tsv`:
 *
 * - `values` is laid over the Secret of the sandbox: `${KEY}` is the right value of a key, `${KEY:base64}` the same encoded
 *   once more, `<hex:…>` are bytes, and `null` takes a key away.
 * - `outcome` is `works KEY=value…`, what the application Secret then holds, or a code and the keys that the message names;
 *   alternatives are parted by ` or `.
 * - `says` is a pattern for the message with its hints, as far as a cause is known that they have to name.
 */
interface Case {
  readonly name: string
  readonly values: Readonly<Record<string, string | null>>
  readonly outcome: string
  readonly says: string
}

const table = fileURLToPath(new URL('cases.tsv', import.meta.url))
const cases = readFileSync(table, 'utf8')
  .split('\n')
  .slice(1)
  .filter((line) => line !== '')
  .map((line): Case => {
    const [name = '', values = '', outcome = '', says = ''] = line.split('\t')
    return { name, values: JSON.parse(values) as Case['values'], outcome, says }
  })

describe('an access Secret of the field', () => {
  const bench = new Bench({})
  let usual: KubeObject | undefined
  let right: Readonly<Record<string, string>>

  beforeAll(async () => {
    await bench.open()
    const { api, accessNamespace, accessSecret } = bench.sandbox
    usual = api.get('Secret', accessNamespace, accessSecret)
    const data = usual?.['data'] as Record<string, string>
    right = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    )
  })
  afterAll(() => bench.close())

  const filled = (text: string): string =>
    text.replace(/\$\{(\w+)(:base64)?\}/g, (all, key: string, again: string | undefined) => {
      const value = right[key]
      if (value === undefined) return all
      return again === undefined ? value : Buffer.from(value).toString('base64')
    })
  const bytes = (text: string): Buffer =>
    text.startsWith('<hex:') ? Buffer.from(text.slice(5, -1), 'hex') : Buffer.from(filled(text))

  test.each(cases)('$name', async ({ values, outcome, says }) => {
    const application = bench.application({ accessSecret: bench.name('case') })
    const { accessSecret, accessNamespace } = application.request
    const changed = Object.entries(values).map(
      ([key, value]) => [key, value === null ? undefined : bytes(value).toString('base64')] as const,
    )
    const data = { ...(usual?.['data'] as object), ...Object.fromEntries(changed) }
    bench.sandbox.api.put({
      kind: 'Secret',
      metadata: { name: accessSecret, namespace: accessNamespace },
      data: JSON.parse(JSON.stringify(data)) as Record<string, string>,
    })

    const { code, log, outcome: ended } = await application.run()
    const { failure } = ended
    const told = failure === undefined ? '' : [failure.message, ...failure.hint].join('\n')

    const seen = filled(outcome)
      .split(' or ')
      .map((wanted) => {
        const [verb = '', ...rest] = wanted.split(' ')
        if (verb !== 'works') {
          const named = rest.filter((key) => failure?.message.includes(key))
          return { wanted, is: [code, ...named].join(' ') }
        }
        const published = rest.map((each) => each.slice(0, each.indexOf('=')))
        const held = published.map((key) => `${key}=${application.secret[key] ?? ''}`)
        return { wanted, is: code === undefined ? ['works', ...held].join(' ') : told }
      })
    const agreeing = seen.find(({ wanted, is }) => wanted === is) ?? seen[0]
    expect(agreeing?.is).toBe(agreeing?.wanted)
    expect(told).toMatch(new RegExp(says, 'is'))

    const canaries = new Canaries()
    canaries.plant(right['PGPASSWORD'] ?? '')
    const invented = /hunter2[\w-]*/.exec(Object.values(values).join(' '))
    if (invented !== null) canaries.plant(invented[0])
    expect(canaries.leaks({ 'what the core said': told, 'what was shown': log })).toEqual([])
  })
})
