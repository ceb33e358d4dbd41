import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { escapedSigns } from '../support/canary.ts'
import { inputsFor, runAction } from './action.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

const visible = escapedSigns.replaceAll(' ', '')

// runAction looks for the password in every form, in everything that a run leaves behind.
test.each([`Kq7${visible}9Zt`, 'under_score*and|pipe', `<b a="it's">`])(
  'the password %j that an API server echoes is in no log, summary, annotation or output',
  async (password) => {
    const name = 'leaving-postgresql-secret'
    sandbox.api.put({
      kind: 'Secret',
      metadata: { name, namespace: 'shop' },
      data: { PGPASSWORD: Buffer.from(password).toString('base64') },
    })
    const undo = sandbox.api.intercept(({ path }) =>
      path.endsWith('/portforward')
        ? { status: 403, body: { kind: 'Status', message: `refused: ${password}.`, code: 403 } }
        : undefined,
    )
    try {
      const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'leaving'), secrets: [password] })
      expect(run.code).toBe(1)
      expect(run.summary).toContain('refused: &#42;&#42;&#42;.')
    } finally {
      undo()
      sandbox.api.remove('Secret', 'shop', name)
    }
  },
)
