import { describe, expect, test } from '@jest/globals'
import { whoSpoke } from '../../../src/kubernetes/heard.ts'
import * as meanings from '../../../src/kubernetes/what-it-means.ts'
import type { Meaning } from '../../../src/kubernetes/what-it-means.ts'
import type { Asked, Body, Speaker } from '../../../src/kubernetes/who-spoke.ts'
import { useTexts } from '../../support/texts.ts'

type Name = keyof typeof meanings

/** What was heard, whose word it is, and what it means; `the caller's to judge` where the table has no meaning for it. */
type Answer = readonly [
  asked: Asked,
  status: number,
  body: Body | 'signed text' | 'signed page',
  words: string,
  speaker: Speaker,
  means: Name | "the caller's to judge",
]

const webhookDenies = 'admission webhook "no.example.com" denied the request: no'
const policyDenies = `secrets "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`
const anonymous = 'secrets "x" is forbidden: User "system:anonymous" cannot get resource "secrets"'
const gateways = [502, 503, 504, 520, 521, 522, 523, 524]
const requests = ['plain', 'review'] as const
const anything = [...requests, 'upgrade'] as const

const answers: readonly Answer[] = [
  // A proxy that is asked for a connection.
  ['connect', 407, 'none', '', 'proxy', 'proxyLogin'],
  ...gateways.map((status): Answer => ['connect', status, 'none', '', 'proxy', 'proxyFails']),
  ...[403, 405].map((status): Answer => ['connect', status, 'none', '', 'proxy', 'proxyDenies']),
  ...[400, 404, 429, 500].map((status): Answer => ['connect', status, 'none', '', 'proxy', 'proxyOdd']),

  // A port-forward that stands.
  ['stream', 0, 'text', 'dial tcp4 127.0.0.1:5432: connect: connection refused', 'kubelet', 'portClosed'],
  ['stream', 0, 'text', 'Connection refused', 'kubelet', 'portClosed'],
  ['stream', 0, 'text', 'socat not found', 'kubelet', 'noForwarder'],
  ['stream', 0, 'text', 'unable to do port forwarding', 'kubelet', 'noForwarder'],
  ['stream', 0, 'text', 'read: connection reset by peer', 'kubelet', 'lost'],
  ['stream', 0, 'none', '', 'kubelet', 'lost'],

  // Who comes before all others, whatever was asked.
  ...anything.flatMap((asked): readonly Answer[] => [
    [asked, 407, 'page', '', 'proxy', 'proxyLogin'],
    [asked, 429, 'Status', 'too many', 'API server', 'busy'],
    [asked, 429, 'signed page', '', 'filter', 'busy'],
    [asked, 429, 'text', 'too many', 'filter', 'busy'],
    [asked, 429, 'page', '', 'proxy', 'rationed'],
    [asked, 429, 'JSON', '', 'proxy', 'rationed'],
    [asked, 401, 'Status', 'Unauthorized', 'API server', 'rejected'],
    [asked, 401, 'page', '', 'proxy', 'webPage'],
    [asked, 401, 'text', 'who are you?', 'proxy', 'rejected'],
    [asked, 401, 'JSON', '', 'proxy', 'rejected'],
    [asked, 403, 'Status', anonymous, 'API server', 'noCredential'],
  ]),
  ['upgrade', 429, 'text', 'rpc error: code = ResourceExhausted', 'kubelet', 'busy'],
  ['upgrade', 429, 'text', 'no rpc error: at all', 'filter', 'busy'],
  ['plain', 429, 'text', 'rpc error: code = ResourceExhausted', 'filter', 'busy'],

  // Nobody is there to answer.
  ...requests.flatMap((asked): readonly Answer[] => [
    [asked, 503, 'Status', 'failed calling webhook "x"', 'API server', 'brokenWebhook'],
    [asked, 503, 'Status', 'no endpoints', 'API server', 'notServing'],
    [asked, 503, 'signed text', 'service unavailable', 'filter', 'notServing'],
    ...gateways.map((status): Answer => [asked, status, 'text', 'nobody', 'proxy', 'noServerBehind']),
  ]),

  // A credential that is not accepted, and one that may not do this.
  ['plain', 401, 'Status', policyDenies, 'API server', "the caller's to judge"],
  ['plain', 401, 'Status', webhookDenies, 'API server', "the caller's to judge"],
  ['plain', 401, 'Status', `no ${webhookDenies}`, 'API server', 'rejected'],
  ['review', 401, 'Status', policyDenies, 'API server', 'rejected'],
  ['upgrade', 401, 'Status', policyDenies, 'API server', 'deniedByPolicy'],
  ['upgrade', 401, 'text', 'Unauthorized', 'kubelet', 'deniedByKubelet'],
  ['upgrade', 401, 'text', 'Unauthorized \n', 'kubelet', 'deniedByKubelet'],
  ['upgrade', 401, 'text', 'Unauthorized by the gateway', 'proxy', 'rejected'],
  ['upgrade', 401, 'text', 'You are Unauthorized', 'proxy', 'rejected'],
  ['plain', 401, 'text', 'Unauthorized', 'proxy', 'rejected'],
  ['review', 403, 'Status', 'forbidden', 'API server', 'noReview'],
  ['plain', 403, 'Status', 'forbidden', 'API server', "the caller's to judge"],
  ['upgrade', 403, 'Status', webhookDenies, 'API server', 'deniedByPolicy'],
  ['upgrade', 403, 'Status', 'forbidden', 'API server', 'denied'],
  ['upgrade', 403, 'text', 'Forbidden (user=x, verb=get)', 'kubelet', 'deniedByKubelet'],
  ['upgrade', 403, 'text', 'It is Forbidden (user=x)', 'proxy', 'noUpgrade'],

  // The upgrade to a port-forward.
  ['upgrade', 400, 'Status', webhookDenies, 'API server', 'deniedByPolicy'],
  ['upgrade', 422, 'Status', 'no', 'API server', 'deniedByPolicy'],
  ['upgrade', 400, 'Status', 'pod x does not have a host assigned', 'API server', 'noNode'],
  ['upgrade', 400, 'Status', 'no', 'proxy', 'noUpgrade'],
  ['upgrade', 404, 'Status', 'pods "pg-0" not found', 'API server', 'podGone'],
  ['upgrade', 404, 'Status', 'pod "pg-0" not found', 'API server', 'podGone'],
  ['upgrade', 404, 'Status', 'no pods "pg-0"', 'proxy', 'noUpgrade'],
  ['upgrade', 404, 'Status', 'nodes "worker-3" not found', 'API server', 'nodeGone'],
  ['upgrade', 404, 'Status', 'node "worker-3" not found', 'API server', 'nodeGone'],
  ['upgrade', 404, 'Status', 'no nodes "worker-3"', 'proxy', 'noUpgrade'],
  ['upgrade', 502, 'Status', 'error dialing backend: i/o timeout', 'API server', 'nodeUnreachable'],
  ['upgrade', 500, 'Status', 'no error dialing backend', 'API server', 'notOpened'],
  ['upgrade', 500, 'Status', 'failed calling webhook "x"', 'API server', 'brokenWebhook'],
  ['upgrade', 500, 'Status', 'failed calling admission webhook "x"', 'API server', 'brokenWebhook'],
  ['upgrade', 500, 'Status', 'failed to call webhook: EOF', 'API server', 'brokenWebhook'],
  ['upgrade', 503, 'Status', 'whatever', 'API server', 'notOpened'],
  ['upgrade', 503, 'signed text', 'service unavailable', 'filter', 'outOfOrderAWhile'],
  ['upgrade', 500, 'signed page', '', 'filter', 'outOfOrderAWhile'],
  ['upgrade', 500, 'text', 'Internal Server Error: "/x": no', 'filter', 'outOfOrderAWhile'],
  ['upgrade', 500, 'text', 'This request caused apiserver to panic.', 'filter', 'outOfOrderAWhile'],
  ['upgrade', 500, 'text', 'An Internal Server Error: no', 'kubelet', 'notOpened'],
  ...[
    'pod not found ("pg-0_db")',
    'pod does not exist',
    'failed to find sandbox "0a"',
    'rpc error: code = NotFound desc = an error occurred when try to find sandbox: not found',
    'rpc error: code = Unknown desc = sandbox 0a1b is not running',
  ].map((words): Answer => ['upgrade', 404, 'text', words, 'kubelet', 'podGone']),
  ['upgrade', 404, 'text', 'the pod not found', 'proxy', 'noUpgrade'],
  ['upgrade', 500, 'text', 'socat not found', 'kubelet', 'noForwarder'],
  ['upgrade', 500, 'text', '"nsenter" not found', 'kubelet', 'noForwarder'],
  ['upgrade', 500, 'text', 'nsenter: not found', 'kubelet', 'noForwarder'],
  ['upgrade', 500, 'text', 'unable to do port forwarding', 'kubelet', 'noForwarder'],
  ['upgrade', 400, 'text', 'rpc error: code = Unknown', 'kubelet', 'notOpened'],
  ['upgrade', 400, 'text', 'no rpc error: at all', 'proxy', 'noUpgrade'],
  ['upgrade', 500, 'text', 'something else', 'kubelet', 'notOpened'],
  ...gateways.map((status): Answer => ['upgrade', status, 'text', 'nobody', 'proxy', 'noUpgradeAWhile']),
  ['upgrade', 200, 'page', '', 'proxy', 'noUpgrade'],
  ['upgrade', 501, 'none', '', 'proxy', 'noUpgrade'],

  // Plain requests.
  ...requests.flatMap((asked): readonly Answer[] => [
    [asked, 200, 'Status', 'Success', 'API server', "the caller's to judge"],
    [asked, 201, 'JSON', '', 'API server', "the caller's to judge"],
    [asked, 302, 'none', '', 'proxy', 'redirect'],
    [asked, 409, 'Status', 'conflict', 'API server', "the caller's to judge"],
    [asked, 404, 'signed text', '404 page not found', 'filter', "the caller's to judge"],
    [asked, 404, 'signed text', 'no 404 page not found', 'proxy', 'otherText'],
    [asked, 404, 'text', '404 page not found', 'proxy', 'otherText'],
    [asked, 500, 'Status', 'failed calling webhook "x"', 'API server', 'brokenWebhook'],
    [asked, 500, 'Status', 'etcdserver: request timed out', 'API server', 'outOfOrderAWhile'],
    [asked, 500, 'Status', 'leader changed', 'API server', 'outOfOrderAWhile'],
    [asked, 500, 'Status', 'storage is (re)initializing', 'API server', 'outOfOrderAWhile'],
    [asked, 500, 'Status', 'no', 'API server', 'outOfOrder'],
    [asked, 507, 'Status', 'no', 'API server', 'outOfOrder'],
    [asked, 500, 'text', 'no', 'filter', 'outOfOrderAWhile'],
    [asked, 400, 'text', 'Client sent an HTTP request to an HTTPS server.', 'proxy', 'plainHttp'],
    [asked, 400, 'text', 'The plain HTTP request was sent to HTTPS port', 'proxy', 'plainHttp'],
    [asked, 400, 'text', 'no', 'proxy', 'otherText'],
    [asked, 403, 'text', 'error code: 1020', 'proxy', 'deniedInFront'],
    [asked, 403, 'page', '', 'proxy', 'deniedInFront'],
    [asked, 200, 'page', '', 'proxy', 'webPage'],
    [asked, 404, 'JSON', '', 'proxy', 'otherJson'],
    [asked, 200, 'none', '', 'proxy', 'otherText'],
  ]),
]

test.each(answers)('%s, %i, %s, "%s": of the %s, %s', (asked, status, body, words, speaker, means) => {
  const signed = body.startsWith('signed ')
  const said = { asked, status, body: body.replace('signed ', '') as Body, signed, words }
  const spoke = whoSpoke(said)
  expect({ speaker: spoke.speaker, means: nameOf(spoke.means) }).toEqual({ speaker, means })
})

test('every meaning has an answer that comes to it', () => {
  expect(
    Object.keys(meanings).filter((name) => answers.every(([, , , , , means]) => means !== name)),
  ).toEqual([])
})

function nameOf(means: Meaning | undefined): Answer[5] {
  const found = Object.entries(meanings).find(([, meaning]) => meaning === means)
  return (found?.[0] as Name | undefined) ?? "the caller's to judge"
}

describe('meanings.txt shows, word for word, what a run says and does', () => {
  const compare = useTexts(new URL('meanings.txt', import.meta.url))

  test.each(Object.entries(meanings))('%s', (name, { code, says, hint, waits, undone, ofCredential }) => {
    compare(
      name,
      [
        `  ${code}; asks again: ${waits}; ${undone ? 'nothing was done' : 'it may have been done'}${ofCredential === true ? '; a better hint where the credential is known' : ''}`,
        `  ${says}`,
        ...hint.map((line) => `    ${line}`),
      ].join('\n'),
    )
  })
})
