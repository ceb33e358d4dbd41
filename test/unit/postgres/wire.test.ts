import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { expect, test } from '@jest/globals'
import pg from 'pg'
import { authenticationMessages } from '../../../src/postgres/wire.ts'

// What src/postgres/wire.ts relies on. An update of node-postgres that changes it fails here first.

interface Listed {
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly version?: string
}

function json(path: string): Listed {
  return JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')) as Listed
}

test('the version is an exact one, and the one that is installed', () => {
  const { devDependencies, dependencies } = json('package.json')
  const wanted = { ...dependencies, ...devDependencies }['pg']
  expect(wanted).toMatch(/^\d+\.\d+\.\d+$/)
  expect(json('node_modules/pg/package.json').version).toBe(wanted)
})

test('node-postgres answers whoever asks for a password where we take its place, and nowhere else', () => {
  const stream = Object.assign(new PassThrough(), { connect: () => undefined, setNoDelay: () => undefined })
  const client = new pg.Client({ stream: () => stream, ssl: false, user: 'shop', password: 'none' })
  const { connection } = client as unknown as {
    connection: NodeJS.EventEmitter & Record<string, unknown>
  }
  client.connect(() => undefined)
  const asked = connection.eventNames().filter((name) => /auth|password|sasl|scram/i.test(String(name)))
  expect(asked.sort()).toEqual([...authenticationMessages].sort())
  for (const name of ['password', 'sendSASLInitialResponseMessage', 'sendSCRAMClientFinalMessage', 'query']) {
    expect(typeof connection[name]).toBe('function')
  }
  expect(connection.listenerCount('errorMessage')).toBe(1)
  expect(client).toHaveProperty('processID', null)
  stream.destroy()
})
