import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { create } from 'xmlbuilder2'
import { parse } from 'yaml'
import { parseGoLiveFile } from '../../../src/go-live/file.ts'
import { tally, type GateReport } from '../../../src/go-live/finding.ts'
import { heldBack as heldBackFailure } from '../../../src/go-live/gate.ts'
import type { Observations } from '../../../src/go-live/observations.ts'
import type { OptionalRight } from '../../../src/kubernetes/ask.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { annotationsOf } from '../../../src/report/annotations.ts'
import { gateHtml } from '../../../src/report/gate-html.ts'
import { gateJson, subjectOf } from '../../../src/report/gate-json.ts'
import { gateJunit } from '../../../src/report/gate-junit.ts'
import { gateTitle, toPaste } from '../../../src/report/gate-summary.ts'
import { Redactor } from '../../../src/report/redactor.ts'
import { writeReports, writeReportsInto } from '../../../src/report/report-files.ts'
import { formatSummary } from '../../../src/report/summary.ts'
import { whereItIs } from '../../../src/report/where.ts'
import { lastLine, standing, type Outcome } from '../../../src/run/outcome.ts'
import { browse, chromium } from '../../support/browser.ts'
import { problemsOf } from '../../support/go-live-report.ts'
import { inPlace, provisioned } from '../../support/outcomes.ts'
import {
  archiver,
  cluster,
  good,
  minutesAgo,
  reportOf,
  rulesOf,
  senders,
  sqlWith,
  vouched,
} from '../../support/sights.ts'

const right: OptionalRight = {
  namespace: 'postgres-system',
  verb: 'get',
  group: 'batch',
  resource: 'cronjobs',
  name: 'logical-backup-postgresql1',
  purpose: 'the go-live gate',
  asked: false,
}
const attestations = (vouched.attestations ?? []).map((entry) =>
  entry.requirement === 'recovery-test'
    ? { ...entry, validUntil: '2026-10-31' }
    : entry.requirement === 'load-test'
      ? { ...entry, validUntil: '2026-12-01' }
      : entry,
)
const premium = rulesOf('premium', { ...vouched, attestations })

/** As in the words that the design gives for such a run. */
const seen: Partial<Observations> = {
  sql: sqlWith({ senders: senders.slice(0, 1), slots: [{ name: 'postgresql1_1', active: true }] }),
  cluster: {
    ...cluster,
    pods: cluster.pods?.slice(0, 2),
    backups: [
      {
        what: 'Pod <b>logical-backup</b>',
        started: new Date('2026-11-21T01:00:04Z'),
        finished: new Date('2026-11-21T03:40:00Z'),
        succeeded: true,
      },
      {
        what: 'Pod logical-backup-2',
        started: new Date('2026-11-22T01:00:04Z'),
        finished: new Date('2026-11-22T01:02:00Z'),
        succeeded: false,
      },
    ],
    unread: { ...cluster.unread, backups: [{ right }] },
  },
}
const held = reportOf(seen, premium)
const met = reportOf({}, rulesOf('premium', vouched))
const heldBack = new Failure('go-live-held-back', 'Release held back: 4 not met, 1 unknown.', [])

function outcomeOf(report: GateReport, more: Partial<Outcome> = {}): Outcome {
  return { ...inPlace, gated: true, goLive: report, ...more }
}

describe('the summary', () => {
  const summary = formatSummary(outcomeOf(held, { failure: heldBack }))

  test('begins with the verdict, and why it is enforced', () => {
    const [heading, , mode] = summary.split('\n')
    expect(heading).toBe('### ⛔ Release held back: 3 not met, 2 unknown')
    expect(mode).toContain('Premium profile, enforced because `refs/heads/release/2.4` matches `release/**`.')
    expect(mode).toContain('Seen 2026-11-22 14:03:11 UTC.')
    expect(mode).toContain('Nothing was changed. The application user is in place; only the release is held.')
  })

  test('has a row for everything that is not simply met', () => {
    expect(summary).toContain(
      '| [`instances`](https://github.com/elastisys/pg-app-user/blob/v1/docs/go-live.md#instances) | **not met** | 2 ready: postgresql1-0 (primary), postgresql1-1 (standby); SQL says the same | 3 are in the premium plan: ask the administrator |',
    )
    expect(summary).toContain(
      'go-live.md#recovery-test) | **unknown** | the attestation of Kim Berg ended on 2026-10-31 |',
    )
    expect(summary).toContain(
      'go-live.md#load-test) | attested, until 2026-12-01 | by Kim Berg, ends in 9 days: ticket 4711 |',
    )
    expect(summary).not.toContain('#tls) | met')
  })

  test('offers a block to paste that the file takes once it is filled in', () => {
    const block = /```yaml\n(attestations:[^]*?)```/.exec(summary)?.[1] ?? ''
    const { attestations: offered } = parse(block) as {
      attestations: { requirement: string; 'valid-until': string }[]
    }
    expect(offered.map(({ requirement }) => requirement)).toEqual(['last-backup', 'recovery-test'])
    expect(offered[0]?.['valid-until']).toBe('2027-02-20')
    expect(() => parseGoLiveFile(block, 'f')).toThrow()
    expect(parseGoLiveFile(block.replaceAll('""', '"x"'), 'f').attestations).toHaveLength(2)
    expect(summary).toContain(
      '`instances`, `streaming` and `spread` cannot be attested, because they can be seen. They can be waived',
    )
  })

  test('offers an exception for what is unknown and nobody may vouch for', () => {
    const empty = { ...archiver, archivedCount: 0, lastArchived: null, lastArchivedAt: null }
    const report = reportOf({ sql: sqlWith({ archiver: empty }) }, rulesOf('premium', vouched))
    const text = formatSummary(outcomeOf(report, { failure: heldBack }))
    expect(text).toContain('**To waive, commit this**')
    const block = /```yaml\n(waivers:[^]*?)```/.exec(text)?.[1] ?? ''
    const { waivers } = parseGoLiveFile(block.replaceAll('""', '"x"'), 'f')
    expect(waivers.map(({ requirement }) => requirement)).toEqual(['archiving', 'rpo'])
    expect(text).not.toContain('because they can be seen')
  })

  test('asks nobody to attest what does not count', () => {
    const report = reportOf(seen, rulesOf('standard'))
    expect(report.findings.find(({ id }) => id === 'load-test')).toMatchObject({
      verdict: 'unknown',
      counts: false,
    })
    expect(toPaste(report)?.yaml).toContain('last-backup')
    expect(toPaste(report)?.yaml).not.toMatch(/-test$/m)
  })

  test('folds the evidence away, with the source of each requirement', () => {
    expect(summary).toMatch(/<details><summary>Evidence<\/summary>[^]*Terms of service, appendix 3/)
  })

  test('under warn says that it would be held back, and the job passes', () => {
    const outcome = outcomeOf({
      ...held,
      enforced: false,
      why: 'because `refs/heads/dev` matches none of `main`',
    })
    expect(formatSummary(outcome)).toMatch(/^### ⚠️ Would be held back: 3 not met, 2 unknown\n/)
    expect(lastLine(outcome)).toMatch(/works\. Would be held back: 3 not met, 2 unknown\. 0\.31 s$/)
  })

  test('of a gate that is met follows what was provisioned', () => {
    const summary = formatSummary(
      outcomeOf(
        met,
        provisioned.changes.length > 0 ? { changes: provisioned.changes, rows: provisioned.rows } : {},
      ),
    )
    expect(summary).toMatch(/^### ✅ `shop` is provisioned\n/)
    expect(summary).toContain('#### Ready to go live: 32 met, 7 attested')
  })

  test('of a gate alone is the gate', () => {
    const outcome = outcomeOf(met, { provisioned: false })
    expect(formatSummary(outcome)).toMatch(/^### ✅ Ready to go live: 32 met, 7 attested\n/)
    expect(lastLine(outcome)).toBe('Ready to go live on the premium plan: 32 met, 7 attested. 0.31 s')
  })

  test('lets foreign text do nothing', () => {
    expect(summary).not.toContain('<b>')
  })

  test.each([
    ['shop', 'shop'],
    ['<b>', '&#60;b&#62;'],
    ['a`<b>', 'a&#96;&#60;b&#62;'],
  ])('folds away what was provisioned for %s', (application, shown) => {
    expect(formatSummary(outcomeOf(held, { application }))).toContain(
      `<details><summary><code>${shown}</code> is up to date</summary>`,
    )
  })
})

test('a gate alone that holds back has changed nothing', () => {
  expect(standing(outcomeOf(held, { failure: heldBack, provisioned: false }))).toBe('Nothing was changed.')
})

describe('annotations', () => {
  test('are ten at most, the most important first', () => {
    const many = reportOf(
      { cluster: { ...cluster, pods: [] }, sql: sqlWith({ archiveMode: 'off', tls: false }) },
      rulesOf('premium'),
    )
    const annotations = annotationsOf(outcomeOf(many, { failure: heldBack, notes: ['a note'] }))
    expect(annotations).toHaveLength(10)
    expect(annotations[0]).toMatchObject({ level: 'error', title: 'pg-app-user: go-live-held-back' })
    expect(annotations[1]?.title).toBe('go-live: instances is not met')
    expect(annotations[9]?.message).toMatch(/^\d+ more are in the job summary\.$/)
  })

  test('under warn are warnings', () => {
    const annotations = annotationsOf(outcomeOf({ ...held, enforced: false }))
    expect(new Set(annotations.map(({ level }) => level))).toEqual(new Set(['warning']))
  })

  test('are none where all is well', () => {
    expect(annotationsOf(outcomeOf(met))).toEqual([])
  })

  test('say what will soon not be attested any more, and nothing of what lasts', () => {
    const titled = annotationsOf(outcomeOf(held)).filter(({ title }) => title.includes('is attested'))
    expect(titled).toEqual([
      {
        level: 'warning',
        title: 'go-live: load-test is attested until 2026-12-01',
        message: 'It ends in 9 days. By Kim Berg: ticket 4711',
      },
    ])
  })
})

describe('what is counted', () => {
  const standard = reportOf({ ...seen, sql: sqlWith({ archiveMode: 'off' }) }, rulesOf('standard'))

  test('is counted in one way everywhere: what does not count is apart', () => {
    const open = '3 not met, 2 unknown · 6 do not count'
    const failure = heldBackFailure(standard)
    expect(failure.message).toBe(`Release held back: ${open}.`)
    expect(gateTitle(standard)).toBe(`Release held back: ${open}`)
    expect(lastLine(outcomeOf({ ...standard, enforced: false }))).toContain(`Would be held back: ${open}.`)
    const document = JSON.parse(gateJson(standard, subjectOf(outcomeOf(standard)))) as {
      tally: Record<string, number>
    }
    expect(document.tally).toMatchObject({ 'not met': 3, unknown: 2, 'does not count': 6 })
    const all = Object.values(document.tally).reduce((sum, amount) => sum + amount, 0)
    expect(all).toBe(standard.findings.length)
    const page = gateHtml(standard, subjectOf(outcomeOf(standard)))
    expect(page).toContain(`<p class="tally">39 requirements: ${tally(standard.findings)}</p>`)
    expect(page).toContain('<span class="idle" style="flex-grow:6"></span>')
  })

  test('is said of one', () => {
    const [one] = standard.findings.filter(({ id }) => id === 'load-test')
    expect(tally(one === undefined ? [] : [one])).toBe('1 does not count')
  })
})

describe('where the log says that the rest is', () => {
  test('in the folder, with what is there to commit and to hand on', () => {
    const report = { ...held, manifest: 'kind: Role\n' }
    expect(whereItIs(report, '/reports')).toEqual([
      { sign: 'right', subject: 'report', text: `${join('/reports', 'go-live.html')}, with all evidence` },
      {
        sign: 'attention',
        subject: 'files',
        text:
          'attest.yaml to attest: commit it as a part of .pg-app-user/go-live.yaml\n' +
          'rights.yaml to send to the administrator: with its Roles, the run sees more',
      },
    ])
  })

  test('in the folder alone where nothing is open', () => {
    expect(whereItIs(met, '/reports').map(({ subject }) => subject)).toEqual(['report'])
  })

  test('nowhere, where no folder was asked for', () => {
    const [only, ...others] = whereItIs(held, undefined)
    expect(others).toEqual([])
    expect(only).toMatchObject({ sign: 'attention' })
    expect(only?.text).toMatch(/^no go-live\.html or attest\.yaml: /)
  })
})

describe('the files', () => {
  const outcome = outcomeOf(held, { failure: heldBack })
  const subject = subjectOf(outcome)
  let parent: string
  let folder: string
  const secret = 'Tr0ub4dor&3<x>'

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'reports-'))
    const redactor = new Redactor()
    redactor.add(secret)
    const leaking: Partial<Observations> = {
      ...seen,
      login: { query: 'q', answer: `it is ${secret}`, at: good.at },
    }
    folder = await writeReports(reportOf(leaking, premium), outcome, parent, (text) => redactor.redact(text))
  })

  afterAll(async () => {
    await rm(parent, { recursive: true })
  })

  test('are for nobody else to read', async () => {
    expect(await readdir(folder)).toEqual(['attest.yaml', 'go-live.html', 'go-live.json', 'go-live.xml'])
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(folder))
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
  })

  test('hold no credential', async () => {
    for (const name of await readdir(folder)) {
      const content = await readFile(join(folder, name), 'utf8')
      expect(content).not.toContain(secret)
      expect(content).not.toContain('Tr0ub4dor')
      if (name !== 'attest.yaml') expect(content).toContain('it is ***')
    }
  })

  test('attest.yaml is a go-live file once its blanks are filled in', async () => {
    const content = await readFile(join(folder, 'attest.yaml'), 'utf8')
    expect(content).not.toContain('rights.yaml')
    expect(content).toMatch(/^# To attest: fill in the blanks, and commit it/)
    expect(parseGoLiveFile(content.replaceAll('""', '"x"'), 'f').attestations).toHaveLength(2)
  })

  test('rights.yaml is there where rights are missing, and goes with the run that found them', async () => {
    const same = join(parent, 'same')
    const write = (report: GateReport): Promise<void> => writeReportsInto(same, report, outcome, String)
    await write({ ...held, manifest: 'kind: Role\n' })
    expect(await readFile(join(same, 'rights.yaml'), 'utf8')).toBe('kind: Role\n')
    const attest = await readFile(join(same, 'attest.yaml'), 'utf8')
    expect(attest).toContain('\n# With the Roles in rights.yaml, the run can see some of this by itself')
    expect(parseGoLiveFile(attest.replaceAll('""', '"x"'), 'f').attestations).not.toHaveLength(0)
    await write(met)
    expect(await readdir(same)).toEqual(['go-live.html', 'go-live.json', 'go-live.xml'])
  })

  test('go into a folder that is made where it is missing, and says where it cannot be', async () => {
    const deep = join(parent, 'not', 'there', 'yet')
    await writeReportsInto(deep, met, outcome, String)
    expect(await readdir(deep)).toContain('go-live.json')
    await expect(
      writeReportsInto(join(deep, 'go-live.json', 'x'), met, outcome, String),
    ).rejects.toMatchObject({ code: 'ENOTDIR' })
    // Of every name in there, it says that it is not there.
    await expect(writeReportsInto('/proc/nowhere/x', met, outcome, String)).rejects.toThrow(
      /ENOENT|EROFS|EACCES/,
    )
  })

  test('go-live.json says it all', () => {
    const document = JSON.parse(gateJson(held, subject)) as Record<string, unknown>
    expect(document).toMatchObject({
      schema: 'pg-app-user/go-live/1',
      verdict: 'held-back',
      enforced: true,
      why: 'because refs/heads/release/2.4 matches release/**',
      profile: 'premium',
      at: '2026-11-22T14:03:11.000Z',
      subject: {
        namespace: 'shop',
        database: 'shop',
        role: 'shop',
        secret: 'shop/app-postgresql-secret',
        postgresql: '16.6',
      },
    })
    const [first] = document['requirements'] as Record<string, unknown>[]
    expect(first).toMatchObject({
      id: 'instances',
      verdict: 'not met',
      counts: true,
      source: { url: expect.stringMatching(/^https:/) },
    })
  })

  test('go-live.json names the commit and the database, and keeps to its schema', () => {
    for (const report of [held, met, { ...met, commit: undefined, identity: undefined }]) {
      expect(problemsOf(gateJson(report, subjectOf(outcomeOf(report))))).toEqual([])
    }
    expect(JSON.parse(gateJson(held, subject))).toMatchObject({
      subject: {
        commit: '3f786850e387550fdab836ed7e6dc881de23001b',
        systemIdentifier: '7466412345678901234',
        databaseOid: '16412',
      },
    })
    const written = JSON.parse(gateJson(held, subject)) as object
    for (const wrong of [{ verdict: 'fine' }, { at: undefined }, { another: 1 }]) {
      expect(problemsOf(JSON.stringify({ ...written, ...wrong })).length).toBeGreaterThan(0)
    }
  })

  test('go-live.xml counts failures and what is skipped', () => {
    const odd = reportOf(
      { ...seen, login: { query: 'a\u0000b\u001b', answer: '<&"\ud800>', at: good.at } },
      premium,
    )
    const { testsuites } = create(gateJunit(odd, subject)).end({ format: 'object' }) as unknown as {
      testsuites: {
        '@failures': string
        '@tests': string
        testsuite: { testcase: { '@name': string; failure?: object }[] }
      }
    }
    expect([testsuites['@tests'], testsuites['@failures']]).toEqual(['39', '5'])
    const failed = testsuites.testsuite.testcase.filter(({ failure }) => failure !== undefined)
    expect(failed.map((test) => test['@name'].split(':')[0])).toEqual([
      'instances',
      'streaming',
      'spread',
      'last-backup',
      'recovery-test',
    ])
  })

  test('go-live.html is complete in itself and escapes what it shows', () => {
    const page = gateHtml(held, subject)
    expect(page).not.toMatch(/<script|<link|src=|@import|url\(/)
    expect(page).not.toContain('<b>logical-backup')
    expect(page).toContain('Pod &lt;b&gt;logical-backup')
    const [top = '', rest = ''] = page.split('</header>')
    const holding = ['instances', 'streaming', 'spread', 'last-backup', 'recovery-test']
    expect([...top.matchAll(/ href="#([a-z-]+)"/g)].map(([, id]) => id)).toEqual(holding)
    // What gets past it stands beside what holds back.
    expect(rest.split('<h2>Evidence</h2>')[0]).toContain('→ 3 are in the premium plan: ask the administrator')
    for (const { id, title } of held.findings) {
      expect(page).toContain(`id="${id}"`)
      expect(page).toContain(title.replaceAll("'", '&#39;'))
    }
  })
})

const inChromium = chromium === undefined ? describe.skip : describe

inChromium('go-live.html in Chromium (skipped where there is none)', () => {
  let folder: string
  let page: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'page-'))
    const outcome = outcomeOf(held, { failure: heldBack })
    page = join(await writeReports(held, outcome, folder, (text) => text), 'go-live.html')
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  test('shows verdict, requirements, evidence and the picture', async () => {
    const dom = await browse(page, '--dump-dom')
    expect(dom).toContain('<h1>Release held back: 3 not met, 2 unknown</h1>')
    expect(dom.match(/<article /g)).toHaveLength(39)
    expect(dom).toMatch(/<svg class="chart"[^]*logical-backup-2: did not succeed, 2026-11-22 01:00:04 UTC/)
    expect(dom).toContain('>backup window</text>')
    expect(dom).toContain(`last archived ${minutesAgo(3).toISOString().slice(0, 10)} 14:00:11 UTC`)
  })

  test('prints to a few pages', async () => {
    const pdf = join(folder, 'page.pdf')
    await browse(page, `--print-to-pdf=${pdf}`, '--no-pdf-header-footer')
    const content = await readFile(pdf, 'latin1')
    const pages = content.match(/\/Type\s*\/Page\b/g)?.length ?? 0
    expect(pages).toBeGreaterThan(2)
    expect(pages).toBeLessThan(20)
  })
})
