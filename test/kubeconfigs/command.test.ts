import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { kubectlVersion, provisioned, whoami, withoutWords } from './command.ts'
import { cases, faultsOf, startCorpus, type Corpus } from './corpus.ts'

let sandbox: Sandbox
let corpus: Corpus
beforeAll(async () => {
  sandbox = await startSandbox()
  const { api, appNamespace } = sandbox
  corpus = await startCorpus({ url: api.url, ca: api.ca, token: api.token(appNamespace, 'ci') })
})
afterAll(async () => {
  await corpus.close()
  await sandbox.stop()
})

describe('the built command', () => {
  test.each(cases)('$name: $product', async (each) => {
    const seen = await corpus.inScene(each.name, each.setup, (scene) => provisioned(corpus, sandbox, scene))
    expect(faultsOf(each, seen)).toEqual([])
  })
})

// The table says what kubectl does. Where one is at hand, it is asked whether that is still so.
describe(`kubectl ${kubectlVersion ?? '(none is at hand here: not compared)'}`, () => {
  const each = kubectlVersion === undefined ? test.skip.each(cases) : test.each(cases)
  each('$name: $kubectl', async ({ name, setup, kubectl }) => {
    const seen = await corpus.inScene(name, setup, (scene) => whoami(corpus, scene))
    expect(withoutWords(seen)).toBe(withoutWords(kubectl))
  })
})
