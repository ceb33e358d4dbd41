import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startApi, type StandInApi } from '../../../sandbox/api.ts'
import { takeKubeconfig } from '../../../src/faces/edge.ts'
import { loadCluster } from '../../../src/kubeconfig/kubeconfig.ts'
import { asFailure } from '../../../src/lib/failure.ts'
import { formatFailure } from '../../../src/report/log.ts'
import { cases, faultsOf, startCorpus, type Corpus, type Scene, type Seen } from '../../kubeconfigs/corpus.ts'

let api: StandInApi
let corpus: Corpus
beforeAll(async () => {
  api = await startApi()
  api.put({ kind: 'Namespace', metadata: { name: 'shop' } })
  api.put({ kind: 'ServiceAccount', metadata: { name: 'ci', namespace: 'shop' } })
  corpus = await startCorpus({ url: api.url, ca: api.ca, token: api.token('shop', 'ci') })
})
afterAll(async () => {
  await corpus.close()
  await api.close()
})

// For a process of its own, as `npm run test:kubeconfigs` starts for each: whether a run needs a namespace, and what
// Node.js reads but once.
const apart = /^no app-namespace$|^SSL_CERT_FILE=/
test.each(cases.filter(({ setup }) => !apart.test(setup)))('$name: $product', async (each) => {
  const seen = await corpus.inScene(each.name, each.setup, loggedIn)
  expect(faultsOf(each, seen)).toEqual([])
})

/** Logs in as a run does, and asks the API server whom it sees. */
async function loggedIn({ env, options }: Scene): Promise<Seen> {
  const { witness } = corpus
  witness.forget()
  const before = process.env
  const context = /^--context=(.*)$/.exec(options[0] ?? '')?.[1]
  process.env = { ...env }
  try {
    const kubeconfig = { ...takeKubeconfig([]), absenceHint: [] }
    const found = loadCluster({ kubeconfig, context }, () => undefined)
    const opened = await found.connect(AbortSignal.timeout(20_000))
    try {
      await opened.identity()
      await opened.get('/api/v1/namespaces/shop/secrets/absent').catch((error: unknown) => {
        if (asFailure(error).code !== 'permission-missing') throw error
      })
    } finally {
      opened.close()
    }
    const who = [...new Set(witness.log.map((arrival) => arrival.who))].join(' + ')
    return { works: who, code: '', sent: true, said: '' }
  } catch (error) {
    const failure = asFailure(error)
    const sent = witness.log.some((arrival) => arrival.credential)
    return { works: undefined, code: failure.code, sent, said: formatFailure(failure, '').join('\n') }
  } finally {
    process.env = before
  }
}
