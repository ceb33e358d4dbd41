import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import pg from 'pg'
import { create } from 'xmlbuilder2'
import { parseAllDocuments, stringify } from 'yaml'
import { commandsOf } from '../../sandbox/runner.ts'
import { parseGoLiveFile } from '../../src/go-live/file.ts'
import { requirements } from '../../src/go-live/requirement.ts'
import { parameters } from '../../src/input/parameters.ts'
import { parseRequest } from '../../src/input/parse.ts'
import { loadCluster } from '../../src/kubeconfig/kubeconfig.ts'
import { trusting } from '../../src/kubernetes/api-failure.ts'
import type { Api } from '../../src/kubernetes/api.ts'
import type { SecretObject } from '../../src/kubernetes/objects.ts'
import { asFailure, Failure, failureCodes } from '../../src/lib/failure.ts'
import { oneLine } from '../../src/lib/text.ts'
import { postgresFailure } from '../../src/postgres/failure.ts'
import { formatComment, readComment } from '../../src/postgres/marker.ts'
import { refusalFailure } from '../../src/postgres/refusal.ts'
import { isAmbiguous } from '../../src/postgres/scram.ts'
import { encryptions, isSslMode, sslModes } from '../../src/postgres/sslmode.ts'
import { annotationsOf } from '../../src/report/annotations.ts'
import { gateHtml } from '../../src/report/gate-html.ts'
import { gateJson, subjectOf } from '../../src/report/gate-json.ts'
import { gateJunit } from '../../src/report/gate-junit.ts'
import { formatFailure } from '../../src/report/log.ts'
import { PipelineReporter } from '../../src/report/pipeline.ts'
import { Redactor } from '../../src/report/redactor.ts'
import { formatFailureSummary, formatSummary } from '../../src/report/summary.ts'
import { roleManifests } from '../../src/rights/manifest.ts'
import { runRights } from '../../src/rights/permissions.ts'
import { readService, resolvePod } from '../../src/route/service.ts'
import { parseAccessSecret } from '../../src/secrets/access-secret.ts'
import { parseApplicationSecret } from '../../src/secrets/application-secret.ts'
import { formatKeys, formatNames } from '../../src/secrets/formats.ts'
import { planSecret } from '../../src/secrets/plan-secret.ts'
import { useBench } from '../support/bench.ts'
import { writtenForms } from '../support/canary.ts'
import { problemsOf } from '../support/go-live-report.ts'
import { inPlace } from '../support/outcomes.ts'
import { cluster, good, reportOf, rulesOf, vouched } from '../support/sights.ts'
import { budget, report } from './budget.ts'
import { erase } from './states.ts'
import { prove } from '../support/property.ts'

const numRuns = Number.isFinite(budget.seconds) ? Math.max(50, budget.seconds * 10) : 20_000
const settings = { seed: budget.seed, numRuns }

/** Pieces that mean something to one of the formats that texts are put into. */
const dangerous = fc.constantFrom(
  ...[
    "'",
    '"',
    '`',
    '``',
    '```',
    '\\',
    '$$',
    '$1',
    '%',
    '%s',
    '{{',
    '<b>',
    '</details>',
    '<!--',
    '&amp;',
    '|',
  ],
  ...['\n', '\r\n', '\r', '\t', '\u2028', '\u0085', '\v', '\0', '\u001b[31m', '\u202e', '\ufeff', '\ud800'],
  ...['::add-mask::x', '::error::', '##[error]', '---', '- ', ': ', '#', '!!js', '*a', '&a', '[x](y)', '@me'],
  ...['; DROP ROLE x; --', '…', '***', 'é', '𝕏', 'i̇', ' ', '  '],
)
const text = fc.oneof(
  fc.array(fc.oneof(dangerous, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 6 }).map(join),
  fc.string({ unit: 'grapheme' }),
)
/** What UTF-8 can hold. */
const wellFormed = text.map((each) => each.toWellFormed())
const identifier = wellFormed
  .map((each) => cut(each.replaceAll('\0', ''), 63))
  .filter((each) => each.trim() !== '')

function join(parts: readonly string[]): string {
  return parts.join('')
}

function cut(name: string, bytes: number): string {
  let short = name
  while (Buffer.byteLength(short) > bytes) short = Array.from(short).slice(0, -1).join('')
  return short
}

/** Fails for anything but a result or a Failure that says in one line what is wrong. */
async function expectNoCrash(work: () => unknown): Promise<void> {
  try {
    await work()
  } catch (error) {
    const failure = asFailure(error)
    if (failure.code === 'internal-error') throw error
    expectSound(failure)
  }
}

function expectSound({ code, message, hint }: Failure): void {
  expect(failureCodes).toContain(code)
  for (const line of [message, ...hint]) expect(line).not.toMatch(/[\r\n\u2028\u2029\0]/)
}

async function check<T>(name: string, given: fc.Arbitrary<T>, holds: (given: T) => unknown): Promise<void> {
  await prove<[T]>(
    'test:faults',
    fc.asyncProperty(given, async (value) => {
      await holds(value)
    }),
    settings,
  )
  report(`anything as input, seed ${budget.seed}: ${name}, ${numRuns} inputs`)
}

describe('anything as', () => {
  test('inputs of the action', () =>
    check('inputs', fc.dictionary(fc.constantFrom(...parameters.map(({ name }) => name)), text), (inputs) =>
      expectNoCrash(() => parseRequest(inputs, { kubeconfig: { absenceHint: [] }, runName: 'x' })),
    ))

  test('access Secret', () =>
    check(
      'access Secrets',
      secretOf(['PGHOST', 'PGUSER', 'PGPASSWORD', 'PGSSLMODE', 'USER_ACCESS', 'PGPORT', 'ca.crt']),
      (secret) => expectNoCrash(() => parseAccessSecret('a/b', secret, masking())),
    ))

  test('application Secret', () =>
    check(
      'application Secrets',
      secretOf([
        ...['PGHOST', 'PGPORT', 'PGUSER', 'PGPASSWORD', 'PGDATABASE', 'PGSSLMODE', 'ca.crt'],
        ...formatKeys,
      ]),
      (secret) =>
        expectNoCrash(() => {
          const found = parseApplicationSecret('a', 'b', secret, masking())
          const values = { PGHOST: 'h', PGUSER: 'u', PGPASSWORD: 'p', PGDATABASE: 'd', PGSSLMODE: 'require' }
          const plan = planSecret(found, {
            namespace: 'a',
            name: 'b',
            values,
            explicit: new Set(),
            formats: formatNames,
          })
          if (plan instanceof Failure) expectSound(plan)
        }),
    ))

  test('kubeconfig', () =>
    check('kubeconfigs', kubeconfig, (input) =>
      expectNoCrash(() => loadCluster({ kubeconfig: { input, absenceHint: [] } }, masking())),
    ))

  test('Services, EndpointSlices and Pods', () =>
    check(
      'Services and Pods',
      fc.record({ service: odd(service), pods: odd(pods), slices: odd(slices) }),
      (given) =>
        expectNoCrash(() => {
          const api = answering(given)
          return trusting(async () => resolvePod(api, await readService(api, 'a', 'b'), 5432))
        }),
    ))

  test('go-live file', () =>
    check('go-live files', goLiveFile, (file) => expectNoCrash(() => parseGoLiveFile(file, 'f'))))

  test('attestation that is sound', () =>
    check('attestations', fc.tuple(visible, visible), ([statement, by]) => {
      const attestation = { requirement: 'load-test', statement, by, 'valid-until': '2027-02-20' }
      const { attestations } = parseGoLiveFile(stringify({ attestations: [attestation] }), 'f')
      const read = { statement: oneLine(statement, 500), by: oneLine(by, 500), validUntil: '2027-02-20' }
      expect(attestations).toEqual([{ requirement: 'load-test', ...read }])
    }))

  test('sslmode word', () =>
    check(
      'sslmode words',
      fc.tuple(fc.oneof(fc.constantFrom(...sslModes), text), fc.option(text)),
      ([word, ca]) => expectNoCrash(() => (isSslMode(word) ? encryptions(word, ca ?? undefined) : undefined)),
    ))

  test('message of a server', () =>
    check(
      'server messages',
      fc.tuple(text, fc.option(fc.string({ maxLength: 5 })), identifier),
      ([message, code, name]) => {
        const error = Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code })
        const login = {
          user: name,
          database: name,
          password: 'p',
          host: 'h',
          sslMode: 'require',
          ca: undefined,
        } as const
        expectQuoted(postgresFailure(error))
        expectQuoted(refusalFailure({ refusal: error, exchange: undefined }, login))
      },
    ))

  test('comment of a role', () =>
    check('comments', fc.tuple(text, wellFormed, fc.boolean()), ([comment, name, createdDatabase]) => {
      readComment(comment)
      const marker = { secret: name, database: name, createdDatabase }
      const written = { marker, note: undefined, kept: { comment } }
      expect(readComment(formatComment(written))).toEqual(written)
    }))
})

describe('nothing gets out of', () => {
  test('a line of foreign text', () =>
    check('lines', text, (foreign) => {
      const line = oneLine(foreign, 40)
      expect(line).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u)
      expect(line.length).toBeLessThanOrEqual(40)
    }))

  test('a line of the log: no workflow command starts, whatever is said', () =>
    check('log lines', fc.tuple(text, text), ([subject, said]) => {
      const lines: string[] = []
      const reporter = new PipelineReporter({
        line: (line) => lines.push(line),
        mask: () => undefined,
        group: (title, inside) => lines.push(title, ...inside),
        debugging: true,
      })
      reporter.step({ sign: 'right', subject, text: said })
      reporter.detail(said, [said])
      reporter.debug(said)
      reporter.write(formatFailure(new Failure('timeout', said, [said]), said))
      expect(commandsOf(lines.join('\n'))).toEqual([])
    }))

  test('the rights manifest', () =>
    check(
      'manifests',
      fc.tuple(
        text.filter((name) => name !== ''),
        fc.boolean(),
        wellFormed,
      ),
      ([name, certain, secret]) => {
        const scope = {
          accessNamespace: 'db',
          accessSecret: secret,
          appNamespace: 'shop',
          appSecret: 'app',
          dryRun: false,
        }
        const rights = runRights(scope, secret)
        const documents = parseAllDocuments(roleManifests({ name, certain }, rights))
        expect(
          documents.map((document) =>
            document.errors.length > 0 ? document.errors : (document.toJS() as { kind: string }).kind,
          ),
        ).toEqual(['Role', 'RoleBinding', 'Role', 'RoleBinding'])
        const [role, binding] = documents.map((document) => document.toJS() as Record<string, unknown>)
        expect(JSON.stringify(role?.['rules'])).toContain(JSON.stringify([secret]))
        if (!name.startsWith('system:serviceaccount:')) {
          expect(binding?.['subjects']).toEqual([
            { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name },
          ])
        }
      },
    ))

  test('the summary: no line, no element and no fence of its own', () =>
    check('summaries', text, (foreign) => {
      const said = oneLine(foreign)
      const summary = (each: string): string[] =>
        formatFailureSummary(new Failure('timeout', `It said "${each}".`, [`It said "${each}".`]), {
          ...inPlace,
          application: each,
          rows: [{ subject: `Role \`x\``, now: each, done: each }],
        }).split('\n')
      expect(summary(said)).toHaveLength(summary('x').length)
      const outside = summary(said)
        .filter((line) => !line.startsWith('It said'))
        .join('\n')
        .replace(/(`+)[^`][\s\S]*?\1/g, '')
      const elements = outside.match(/<[^>]*>/g)?.filter((tag) => !/^<\/?code>$/.test(tag))
      expect(elements).toEqual(['<details>', '<summary>', '</summary>', '</details>'])
    }))

  test('the reports of the gate: no element, no line and no key of its own', () =>
    check('reports', text, (foreign) => {
      const shape = (each: string): object => {
        const files = reportsWith(each)
        expect(problemsOf(files.json)).toEqual([])
        return {
          html: files.html.match(/<[/!]?[a-z][^>]*>/gi)?.map((tag) => tag.replace(/"[^"]*"/g, '""')),
          xml: leavesOf(create(files.xml).end({ format: 'object' })),
          json: leavesOf(JSON.parse(files.json)),
          lines: files.summary.split('\n').length,
          elements: files.summary.replace(/(`+)[^`][^]*?\1/g, '').match(/<\/?(?!code)[a-z]+>/g),
          annotations: files.annotations.length,
        }
      }
      expect(shape(foreign)).toEqual(shape('x'))
    }))

  test('the redactor: no credential in any form', () =>
    check(
      'credentials',
      fc.tuple(
        wellFormed.filter((each) => each.trim().length >= 8),
        text,
      ),
      ([credential, around]) => {
        const redactor = new Redactor()
        redactor.add(credential)
        const secret = credential.trim()
        for (const form of writtenForms(secret)) {
          const shown = redactor.redact(`${around} ${form} ${around}`)
          // A credential made of asterisks is what stands in for one.
          if (!around.includes(secret) && !secret.includes('***')) expect(shown).not.toContain(form)
        }
      },
    ))
})

describe('through a real PostgreSQL', () => {
  const bench = useBench()

  test('identifiers and literals come back as they were, and end no statement', async () => {
    const rounds = { ...settings, numRuns: Math.min(numRuns, 2_000) }
    await bench.inDatabase('postgres', async (client) => {
      for (const conforming of ['on', 'off']) {
        await client.query(`SET standard_conforming_strings = ${conforming}; SET escape_string_warning = off`)
        const property = fc.asyncProperty(identifier, async (name) => {
          const { rows } = await client.query<Record<string, string>>(
            `SELECT ${pg.escapeLiteral(name)} AS ${pg.escapeIdentifier(name)}`,
          )
          expect(rows).toEqual([{ [name]: name }])
        })
        await prove('test:faults', property, rounds)
      }
    })
    report(`anything as input, seed ${budget.seed}: names through PostgreSQL, ${2 * rounds.numRuns} inputs`)
  })

  const rounds = { ...settings, numRuns: Math.max(4, Math.round(numRuns / 60)), endOnFailure: true }

  test('any password in a Secret is set and logs in, or is refused before anything is changed', async () => {
    const application = await bench.established()
    const ends = { set: 0, refused: 0 }
    const property = fc.asyncProperty(wellFormed, async (given) => {
      // Another one each time, with something in it that nothing else has, for the look through the logs.
      application.putSecret({ PGPASSWORD: `Zx81 ${ends.set + ends.refused}${given}` }, 'on top')
      const { outcome, code, done } = await application.run()
      if (outcome.failure === undefined) {
        expect(done).toEqual(['role password-set'])
        // What drivers read differently is taken as libpq takes it, and node-postgres is not libpq.
        const { PGPASSWORD = '' } = application.secret
        expect(await application.login()).toBe((await isAmbiguous(PGPASSWORD)) ? '28P01' : 'in')
        ends.set += 1
      } else {
        expect({ code, done }).toEqual({ code: 'secret-invalid', done: [] })
        ends.refused += 1
      }
    })
    await prove('test:faults', property, rounds)
    report(
      `anything as input, seed ${budget.seed}: passwords, ${rounds.numRuns}: ${ends.set} set, ${ends.refused} refused`,
    )
  }, 600_000)

  test('an application of any name is made, and found again', async () => {
    const named = fc
      .tuple(identifier, identifier)
      .filter((names) =>
        names.every(
          (name) => !/^(pg_.*|postgres|template[01]|public|none|postgresql1_admin)$|\p{Cc}/u.test(name),
        ),
      )
    const property = fc.asyncProperty(named, async ([appUsername, appDatabase]) => {
      const application = bench.application({ appUsername, appDatabase })
      try {
        expect(await application.run()).toMatchObject({ code: undefined })
        expect(await application.run()).toMatchObject({ code: undefined, done: [] })
        expect(await application.login()).toBe('in')
      } finally {
        await erase(application)
      }
    })
    await prove('test:faults', property, rounds)
    report(`anything as input, seed ${budget.seed}: whole runs, ${rounds.numRuns} pairs of names`)
  }, 600_000)
})

function masking(): (credential: string) => void {
  const redactor = new Redactor()
  return (credential) => {
    redactor.add(credential)
  }
}

const visible = wellFormed.filter((each) => oneLine(each, 500) !== '')

/** What the gate writes where the cluster, the server and a go-live file say the same text everywhere. */
function reportsWith(foreign: string): {
  readonly html: string
  readonly xml: string
  readonly json: string
  readonly summary: string
  readonly annotations: readonly unknown[]
} {
  const said = oneLine(foreign) || 'x'
  const attestations = (vouched.attestations ?? []).map((each) => ({ ...each, statement: said, by: said }))
  const report = reportOf(
    {
      login: { query: foreign, answer: foreign, at: good.at },
      cluster: {
        ...cluster,
        // To go through a year of windows takes its time, and shows nothing of what they are called.
        schedules: [],
        backups: cluster.backups.map((each) => ({ ...each, what: said })),
      },
      application: { ...good.application, workloads: [] },
    },
    rulesOf('premium', { attestations }),
    { why: `because ${said}`, file: said },
  )
  const outcome = {
    ...inPlace,
    application: said,
    database: said,
    gated: true,
    goLive: report,
    notes: [said],
  }
  return {
    html: gateHtml(report, subjectOf(outcome)),
    xml: gateJunit(report, subjectOf(outcome)),
    json: gateJson(report, subjectOf(outcome)),
    summary: formatSummary(outcome),
    annotations: annotationsOf(outcome),
  }
}

/** The places in a tree at which there is a value. */
function leavesOf(tree: unknown, at = ''): string[] {
  if (typeof tree !== 'object' || tree === null) return [at]
  return Object.entries(tree).flatMap(([key, value]) => leavesOf(value, `${at}/${key}`))
}

/** Quotes are shortened to one line, and never stand first on it. */
function expectQuoted(failure: Failure): void {
  expectSound(failure)
  for (const line of failure.hint) expect(line).toMatch(/^[A-Z ]/)
}

function secretOf(keys: readonly string[]): fc.Arbitrary<SecretObject> {
  const value = fc.oneof(
    wellFormed.map((each) => Buffer.from(each).toString('base64')),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    fc.constantFrom('aA==', 'cmVxdWlyZQ==', 'NTQzMg==', 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t'),
    text,
  )
  return fc.record(
    {
      data: fc.dictionary(fc.constantFrom(...keys), value),
      immutable: fc.boolean(),
      metadata: fc.record(
        {
          uid: text,
          resourceVersion: text,
          labels: fc.dictionary(fc.constantFrom('app.kubernetes.io/managed-by', 'x'), text),
          annotations: fc.dictionary(
            fc.constantFrom('pg-app-user.elastisys.io/last-written', 'meta.helm.sh/release-name'),
            fc.oneof(text, fc.json()),
          ),
          ownerReferences: fc.array(fc.record({ kind: text, name: text }, { requiredKeys: [] })),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
}

/** Mostly what it should be, now and then something else altogether, also deep inside. */
function odd<T>(sound: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: sound }, { weight: 1, arbitrary: fc.jsonValue() })
}

const entry = fc.record(
  {
    requirement: odd(fc.constantFrom(...requirements.map(({ id }) => id))),
    statement: odd(text),
    by: odd(text),
    reason: odd(text),
    owner: odd(text),
    'valid-until': odd(fc.constantFrom('2027-02-20', '2027-02-30')),
  },
  { requiredKeys: ['requirement', 'valid-until'] },
)
const goLiveFile = fc.oneof(
  text,
  fc
    .record(
      {
        'min-instances': odd(fc.integer()),
        rpo: odd(fc.constantFrom('5m', '0s')),
        'backup-window': odd(fc.constantFrom('Mon-Fri 01:00-03:00 Europe/Stockholm', '01:00-03:00')),
        retention: odd(fc.constantFrom('30d', '0d')),
        'rpo-probe': odd(fc.boolean()),
        attestations: odd(fc.array(odd(entry), { maxLength: 3 })),
        waivers: odd(fc.array(odd(entry), { maxLength: 3 })),
      },
      { requiredKeys: [] },
    )
    .chain((file) => fc.constantFrom(stringify(file), JSON.stringify(file))),
)

const leaf = fc.oneof(text, fc.constantFrom('c', 'u', 'x', 'https://127.0.0.1:6443'), fc.jsonValue())
const kubeconfig = fc
  .record({
    'current-context': odd(fc.constantFrom('x', 'y')),
    contexts: odd(
      fc.array(
        fc.record({
          name: odd(fc.constant('x')),
          context: odd(
            fc.record({ cluster: odd(fc.constant('c')), user: odd(fc.constant('u')), namespace: leaf }),
          ),
        }),
        { maxLength: 2 },
      ),
    ),
    clusters: odd(
      fc.array(
        fc.record({
          name: fc.constant('c'),
          cluster: odd(
            fc.record(
              {
                server: odd(fc.constant('https://127.0.0.1:6443')),
                'certificate-authority-data': leaf,
                'certificate-authority': leaf,
                'proxy-url': odd(fc.constantFrom('http://a:b%zz@proxy:1', 'ftp://x')),
                'tls-server-name': leaf,
                'insecure-skip-tls-verify': leaf,
              },
              { requiredKeys: ['server'] },
            ),
          ),
        }),
        { maxLength: 2 },
      ),
    ),
    users: odd(
      fc.array(
        fc.record({
          name: fc.constant('u'),
          user: odd(
            fc.record(
              {
                token: leaf,
                tokenFile: leaf,
                username: leaf,
                password: leaf,
                'client-key-data': leaf,
                'client-certificate-data': leaf,
                as: leaf,
                'as-groups': leaf,
                exec: odd(
                  fc.record({
                    command: leaf,
                    args: leaf,
                    env: odd(fc.array(fc.record({ name: leaf, value: leaf }))),
                  }),
                ),
                'auth-provider': odd(
                  fc.record({ name: odd(fc.constantFrom('oidc', 'gcp', 'azure')), config: leaf }),
                ),
              },
              { requiredKeys: [] },
            ),
          ),
        }),
        { maxLength: 2 },
      ),
    ),
  })
  .chain((config) =>
    fc.constantFrom(
      JSON.stringify(config),
      stringify(config),
      Buffer.from(JSON.stringify(config)).toString('base64'),
    ),
  )

const ports = fc.array(
  fc.record(
    {
      name: leaf,
      port: odd(fc.constant(5432)),
      targetPort: odd(fc.constantFrom(5432, 'pg')),
      protocol: odd(fc.constant('TCP')),
    },
    { requiredKeys: [] },
  ),
  { maxLength: 2 },
)
const service = fc.record(
  {
    spec: odd(
      fc.record(
        { type: leaf, clusterIP: leaf, selector: odd(fc.dictionary(fc.string(), text)), ports: odd(ports) },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: [] },
)
const pods = fc.record({
  items: odd(
    fc.array(
      odd(
        fc.record(
          {
            metadata: odd(
              fc.record({ name: odd(fc.constant('p')), creationTimestamp: leaf }, { requiredKeys: [] }),
            ),
            spec: odd(
              fc.record({
                containers: odd(
                  fc.array(
                    odd(
                      fc.record({
                        ports: odd(fc.array(odd(fc.record({ name: leaf, containerPort: leaf })))),
                      }),
                    ),
                  ),
                ),
              }),
            ),
            status: odd(
              fc.record(
                {
                  phase: odd(fc.constant('Running')),
                  conditions: odd(
                    fc.array(
                      odd(fc.record({ type: fc.constant('Ready'), status: odd(fc.constant('True')) })),
                    ),
                  ),
                  containerStatuses: odd(fc.array(odd(fc.record({ state: leaf })))),
                },
                { requiredKeys: [] },
              ),
            ),
          },
          { requiredKeys: [] },
        ),
      ),
      { maxLength: 3 },
    ),
  ),
})
const slices = fc.record({
  versions: odd(fc.constant([{ version: 'v1' }])),
  items: odd(
    fc.array(
      odd(
        fc.record(
          {
            endpoints: odd(
              fc.array(
                odd(
                  fc.record({
                    conditions: leaf,
                    targetRef: odd(fc.record({ kind: fc.constant('Pod'), name: leaf })),
                  }),
                ),
              ),
            ),
            ports: odd(fc.array(odd(fc.record({ name: leaf, port: leaf })))),
          },
          { requiredKeys: [] },
        ),
      ),
      { maxLength: 2 },
    ),
  ),
  subsets: odd(fc.array(odd(fc.record({ addresses: leaf, ports: leaf })))),
})

/** An API server that gives these objects, whatever exactly is asked for. */
function answering({ service, pods, slices }: { service: unknown; pods: unknown; slices: unknown }): Api {
  const bodyOf = (path: string): unknown =>
    path.includes('/services/') ? service : path.includes('/pods') ? pods : slices
  const refusal = ({ status }: { status: number }): Failure =>
    new Failure('api-server-error', `It answered ${status}.`, [])
  return {
    get: (path: string) => Promise.resolve(bodyOf(path)),
    request: ({ path }: { path: string }) => Promise.resolve({ status: 200, body: bodyOf(path) }),
    refusal,
  } as unknown as Api
}
