import escapeHtml from 'escape-html'
import {
  holdingBack,
  tally,
  verdicts,
  type BackupRun,
  type Evidence,
  type Finding,
  type GateReport,
  type Picture,
} from '../go-live/finding.ts'
import { count, utc } from '../text.ts'
import { version } from '../version.ts'
import { dayMs } from '../units.ts'
import type { Subject } from './gate-json.ts'
import { gateTitle } from './gate-summary.ts'

/** HTML that is safe as it is. */
class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * Puts values into HTML: texts and numbers escaped, markup as it is, lists one after the other. It is not called "html",
 * because the formatter would take its templates apart.
 */
function markup(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Markup | readonly Markup[])[]
): Markup {
  const filled = values.map((value) => {
    if (value instanceof Markup) return value.text
    if (typeof value === 'object') return value.map(({ text }) => text).join('\n')
    return escapeHtml(String(value))
  })
  return new Markup(parts.map((part, index) => part + (filled[index] ?? '')).join(''))
}

const nothing = new Markup('')

/** Gives go-live.html: the page for whoever has to be shown, complete in itself, without a script. */
export function gateHtml(report: GateReport, subject: Subject): string {
  const { findings, at, profile, enforced, why, file, fileRead, picture } = report
  const title = gateTitle(report)
  const facts: readonly (readonly [string, string])[] = [
    ['Database', subject.database],
    ['Role', subject.role],
    ['Secret', subject.secret],
    ['PostgreSQL', subject.postgresql],
    ['API server', subject.server],
    ['Profile', `${profile}, ${enforced ? 'enforced' : 'reported only'} ${why.replaceAll('`', '')}`],
    ['Go-live file', fileRead ? file : `none at ${file}`],
    ['Seen', utc(at)],
  ]
  const holding = holdingBack(findings).length
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${version}">
<title>${title} · ${subject.database}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
<header class="${report.verdict === 'met' ? 'good' : enforced ? 'bad' : 'doubtful'}">
  <p class="over">Go-live report · ${subject.database}</p>
  <h1>${title}</h1>
  <p class="tally">${tally(findings)} of ${count(findings.length, 'requirement')}</p>
  <div class="bar" aria-hidden="true">${bar(findings)}</div>
</header>
<dl class="facts">${facts.map(([name, value]) => entry(name, value))}</dl>
<section>
  <h2>The last days</h2>
  ${chart(picture, at)}
  ${legend(picture)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${findings.map(glance)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${findings.map(article)}
</section>
<footer>
  <p>
    Written by pg-app-user ${version} from what it saw at ${utc(at)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${holding === 0 ? 'Nothing holds the release back.' : `${count(holding, 'requirement')} ${enforced ? 'hold' : 'would hold'} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`
  return page.text
}

/** A name and what it stands for, as a pair of a list. */
function entry(name: string, value: string, style = ''): Markup {
  const attribute = style === '' ? nothing : markup` class="${style}"`
  return markup`<div${attribute}><dt>${name}</dt><dd>${value}</dd></div>`
}

function glance(finding: Finding): Markup {
  const { id, seen } = finding
  return markup`<tr><td><a href="#${id}">${id}</a></td><td>${badge(finding)}</td><td>${seen}</td></tr>`
}

const classes: Readonly<Record<Finding['verdict'], string>> = {
  met: 'good',
  'not met': 'bad',
  unknown: 'doubtful',
  attested: 'vouched',
  waived: 'vouched',
  'not applicable': 'idle',
}

const signs: Readonly<Record<Finding['verdict'], string>> = {
  met: '✓',
  'not met': '✗',
  unknown: '?',
  attested: '✎',
  waived: '✎',
  'not applicable': '–',
}

function badge({ verdict, counts }: Finding): Markup {
  const weightless = !counts && (verdict === 'not met' || verdict === 'unknown')
  const [style, note] = weightless
    ? ['idle', markup` <small>does not count</small>`]
    : [classes[verdict], nothing]
  return markup`<span class="badge ${style}"><span aria-hidden="true">${signs[verdict]}</span> ${verdict}</span>${note}`
}

function bar(findings: readonly Finding[]): readonly Markup[] {
  return verdicts.map((verdict) => {
    const amount = findings.filter((finding) => finding.verdict === verdict).length
    if (amount === 0) return nothing
    return markup`<span class="${classes[verdict]}" style="flex-grow:${amount}"></span>`
  })
}

function article(finding: Finding): Markup {
  const { id, title, wanted, seen, remedy, source, evidence, warnings, exception } = finding
  return markup`<article id="${id}" class="${classes[finding.verdict]}">
  <h3><span>${title}</span> ${badge(finding)}</h3>
  <p class="id"><code>${id}</code> · from <a href="${source.url}">${source.text}</a></p>
  <dl>
    ${entry('Wanted', wanted)}
    ${entry('Seen', seen)}
    ${remedy === '' ? nothing : entry('To get past it', remedy)}
    ${exception === undefined ? nothing : entry('Answers for it', `${exception.by}, until ${exception.until}`)}
    ${warnings.map((warning) => entry('Needs a look', warning, 'warning'))}
  </dl>
  ${evidence.length === 0 ? nothing : evidenceTable(evidence)}
</article>`
}

function evidenceTable(evidence: readonly Evidence[]): Markup {
  const rows = evidence.map(
    ({ query, answer, at }) =>
      markup`<tr><td><code>${query}</code></td><td>${answer}</td><td class="time">${utc(at)}</td></tr>`,
  )
  return markup`<table class="evidence">
    <thead><tr><th>Asked</th><th>Answered</th><th>At</th></tr></thead>
    <tbody>${rows}</tbody>
  </table>`
}

const width = 960
const left = 172
const right = 16
const laneHeight = 44
const top = 34

/** The picture: one lane for each reading of the window, one for backups, one for archiving; now as a line through all. */
function chart(picture: Picture, now: Date): Markup {
  const { from, to, windows, backups, lastArchived, archivingFails } = picture
  const span = to.getTime() - from.getTime()
  const x = (date: Date): number => {
    const part = (Math.min(Math.max(date.getTime(), from.getTime()), to.getTime()) - from.getTime()) / span
    return Math.round((left + part * (width - left - right)) * 10) / 10
  }
  const lanes = windows.length + 2
  const bottom = top + lanes * laneHeight
  const lane = (index: number): number => top + index * laneHeight
  const breadth = (start: Date, end: Date): number => Math.max(1, x(end) - x(start))
  const middle = (index: number): number => lane(index) + laneHeight / 2
  const [backupLane, archiving] = [middle(windows.length), middle(windows.length + 1)]
  const shades = (windows[0]?.spans ?? []).map(
    ({ start, end }) =>
      markup`<rect class="shade" x="${x(start)}" y="${top}" width="${breadth(start, end)}" height="${bottom - top}"/>`,
  )
  const midnights = days(from, to).map(
    (day) => markup`<line class="grid" x1="${x(day)}" x2="${x(day)}" y1="${top - 6}" y2="${bottom}"/>
      <text class="day" x="${x(day) + 5}" y="${top - 12}">${dayName(day)}</text>`,
  )
  const laneNames = [
    ...windows.map(({ reading }) => reading.replace(/ \(.*\)$/, '')),
    'full backups',
    'archiving',
  ].map((name, index) => {
    const rule = lane(index) + laneHeight
    return markup`<text class="lane" x="${left - 10}" y="${middle(index) + 4}">${name}</text>
      <line class="rule" x1="${left}" x2="${width - right}" y1="${rule}" y2="${rule}"/>`
  })
  const bands = windows.flatMap(({ reading, spans }, index) =>
    spans.map(({ start, end }) => {
      const [y, height] = [lane(index) + 9, laneHeight - 18]
      return markup`<rect class="window" x="${x(start)}" y="${y}" width="${breadth(start, end)}" height="${height}" rx="3">
        <title>${reading}: ${utc(start)} to ${utc(end)}</title>
      </rect>`
    }),
  )
  const none = (words: string, y: number): Markup =>
    markup`<text class="none" x="${left + 10}" y="${y + 4}">${words}</text>`
  const marks = backups.map((run) => backupMark(run, x, backupLane))
  return markup`<svg class="chart" viewBox="0 0 ${width} ${bottom + 30}" role="img" aria-label="${chartWords(picture)}">
    <title>${chartWords(picture)}</title>
    ${shades}
    ${midnights}
    ${laneNames}
    ${bands}
    ${marks.length === 0 ? none('none seen', backupLane) : marks}
    ${
      lastArchived === undefined
        ? none(archivingFails ? 'fails, nothing archived' : 'nothing archived yet', archiving)
        : archivedMark(lastArchived, x(lastArchived), archiving, archivingFails)
    }
    <line class="now" x1="${x(now)}" x2="${x(now)}" y1="${top - 6}" y2="${bottom}"/>
    <text class="now" x="${x(now)}" y="${bottom + 20}">now ${now.toISOString().slice(11, 16)} UTC</text>
  </svg>`
}

function archivedMark(last: Date, x: number, y: number, fails: boolean): Markup {
  const style = `archived${fails ? ' failing' : ''}`
  return markup`<line class="${style}" x1="${left}" x2="${x}" y1="${y}" y2="${y}"/>
    <circle class="${style}" cx="${x}" cy="${y}" r="5"><title>last archived ${utc(last)}</title></circle>`
}

function backupMark(run: BackupRun, x: (date: Date) => number, y: number): Markup {
  const { what, started, finished, succeeded } = run
  const at = started ?? finished ?? new Date(0)
  const state = succeeded ? 'good' : 'bad'
  const words = `${what}: ${succeeded ? 'succeeded' : 'did not succeed'}, ${utc(at)}`
  const length = started !== undefined && finished !== undefined ? Math.max(0, x(finished) - x(started)) : 0
  const bar = markup`<rect class="backup ${state}" x="${x(at)}" y="${y - 7}" width="${length}" height="6" rx="3"/>`
  const body = succeeded
    ? markup`<circle class="backup good" cx="${x(at)}" cy="${y - 4}" r="6"/>`
    : markup`<path class="backup bad" d="M${x(at) - 5} ${y - 9}l10 10m0 -10l-10 10"/>`
  return markup`<g>
    <title>${words}</title>
    ${length > 2 ? bar : nothing}
    ${body}
    <text class="stamp" x="${x(at)}" y="${y + 17}">${at.toISOString().slice(11, 16)}</text>
  </g>
`
}

function chartWords({ backups, lastArchived, archivingFails }: Picture): string {
  const good = backups.filter(({ succeeded }) => succeeded).length
  const archived = lastArchived === undefined ? 'nothing archived yet' : `last archived ${utc(lastArchived)}`
  return `The last three days: ${count(good, 'successful backup')}, ${backups.length - good} other, ${archived}${archivingFails ? ', failing now' : ''}`
}

function legend({ windows }: Picture): Markup {
  const readings = windows.length > 1 ? ', in both readings of its time zone' : ''
  return markup`<ul class="legend">
    <li><span class="key window"></span> backup window${readings}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`
}

/** The midnights, UTC, that the picture has room to name. */
function days(from: Date, to: Date): readonly Date[] {
  const first = Math.ceil(from.getTime() / dayMs) * dayMs
  const found: Date[] = []
  // A name that would not fit at the right edge is left out, its line with it.
  for (let day = first; day < to.getTime() - dayMs / 3; day += dayMs) found.push(new Date(day))
  return found
}

function dayName(day: Date): string {
  return day.toLocaleDateString('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  })
}

const style = `
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #ffffff; --ink: #1b2430; --soft: #5b6675; --line: #dfe4ea; --link: #1f5fae;
  --good: #1a7f4b; --good-back: #e3f4ea; --bad: #b42318; --bad-back: #fde8e6; --doubt: #8a5a00; --doubt-back: #fdf1d8;
  --vouch: #5b45b0; --vouch-back: #ece8fb; --idle: #5b6675; --idle-back: #eceff3; --window: #9cc0ee; --shade: #eef4fc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #10151c; --card: #18202a; --ink: #e6ebf1; --soft: #9aa7b6; --line: #2b3644; --link: #86b7f5;
    --good: #5fce94; --good-back: #143324; --bad: #ff8a7d; --bad-back: #401a17; --doubt: #f0bd5a; --doubt-back: #3a2c10;
    --vouch: #b3a2f7; --vouch-back: #2a2350; --idle: #9aa7b6; --idle-back: #232d39; --window: #315f96; --shade: #19273a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 24px 48px; }
header { background: var(--card); border: 1px solid var(--line); border-left: 8px solid var(--tone); border-radius: 10px; padding: 22px 26px; }
.good { --tone: var(--good); --tone-back: var(--good-back); }
.bad { --tone: var(--bad); --tone-back: var(--bad-back); }
.doubtful { --tone: var(--doubt); --tone-back: var(--doubt-back); }
.vouched { --tone: var(--vouch); --tone-back: var(--vouch-back); }
.idle { --tone: var(--idle); --tone-back: var(--idle-back); }
.over { margin: 0; color: var(--soft); font-size: 13px; letter-spacing: .02em; }
h1 { margin: 4px 0 2px; font-size: 28px; line-height: 1.25; color: var(--tone); overflow-wrap: anywhere; }
.tally { margin: 0 0 14px; color: var(--soft); }
.bar { display: flex; gap: 2px; height: 8px; border-radius: 4px; overflow: hidden; }
.bar span { background: var(--tone); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px 24px; margin: 20px 4px 8px; }
.facts dt, article dt { color: var(--soft); font-size: 12.5px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
h2 { margin: 30px 0 10px; font-size: 19px; }
a { color: var(--link); }
code { font: 12.5px/1.45 ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.chart { display: block; width: 100%; height: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.chart text { fill: var(--soft); font-size: 12.5px; }
.chart .lane { text-anchor: end; fill: var(--ink); }
.chart .day { font-size: 12px; }
.chart .stamp { text-anchor: middle; font-size: 11px; }
.chart .none { font-style: italic; }
.chart .grid { stroke: var(--line); }
.chart .rule { stroke: var(--line); }
.chart .shade { fill: var(--shade); }
.chart .window { fill: var(--window); }
.chart circle.backup { fill: var(--tone); stroke: var(--card); stroke-width: 2; }
.chart rect.backup { fill: var(--tone); }
.chart path.backup { stroke: var(--tone); stroke-width: 3; fill: none; stroke-linecap: round; }
.chart line.archived { stroke: var(--good); stroke-width: 4; stroke-linecap: round; }
.chart circle.archived { fill: var(--good); }
.chart line.failing { stroke: var(--bad); stroke-dasharray: 2 8; }
.chart circle.failing { fill: var(--bad); }
.chart line.now { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
.chart text.now { text-anchor: middle; fill: var(--bad); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 10px 4px 0; padding: 0; list-style: none; color: var(--soft); font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 7px; }
.key { display: inline-block; }
.key.window { width: 18px; height: 12px; border-radius: 3px; background: var(--window); }
.key.dot { width: 11px; height: 11px; border-radius: 50%; background: var(--tone); }
.key.cross { color: var(--bad); font-weight: 700; }
.key.line { width: 20px; height: 4px; border-radius: 2px; background: var(--good); }
.key.now { width: 0; height: 14px; border-left: 2px dashed var(--bad); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 12.5px; font-weight: 600; color: var(--soft); }
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.glance { background: var(--card); border: 1px solid var(--line); border-radius: 10px; border-collapse: separate; border-spacing: 0; }
.glance th, .glance td { padding: 8px 14px; }
.glance tr:last-child td { border-bottom: 0; }
.glance td:first-child { width: 200px; white-space: nowrap; }
.glance td:nth-child(2) { width: 150px; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 999px; background: var(--tone-back); color: var(--tone); font-size: 13px; font-weight: 600; white-space: nowrap; }
small { color: var(--soft); }
article { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--tone); border-radius: 8px; padding: 14px 20px 12px; margin: 0 0 14px; }
h3 { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 4px 16px; margin: 0; font-size: 16px; }
.id { margin: 2px 0 10px; color: var(--soft); font-size: 13px; }
article dl { margin: 0 0 8px; display: grid; gap: 4px; }
article dl div { display: grid; grid-template-columns: 120px 1fr; gap: 12px; }
article dt { padding-top: 2px; }
article dd { margin: 0; overflow-wrap: anywhere; }
.warning dt, .warning dd { color: var(--doubt); }
.evidence { font-size: 13px; table-layout: fixed; }
.evidence th:nth-child(1) { width: 42%; }
.evidence th:nth-child(3) { width: 112px; }
.evidence tr:last-child td { border-bottom: 0; }
.time { color: var(--soft); }
footer { margin-top: 28px; color: var(--soft); font-size: 13px; }
@media (max-width: 640px) {
  main { padding: 16px 12px 32px; }
  article dl div { grid-template-columns: 1fr; gap: 0; }
  .glance td:first-child { width: auto; white-space: normal; }
  .evidence th:nth-child(3), .evidence td:nth-child(3) { display: none; }
}
@media print {
  :root {
    --back: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --line: #c4cad1; --link: #000000;
    --good: #14663c; --good-back: #ffffff; --bad: #a01c12; --bad-back: #ffffff; --doubt: #6f4800; --doubt-back: #ffffff;
    --vouch: #47349a; --vouch-back: #ffffff; --idle: #444444; --idle-back: #ffffff; --window: #9cc0ee; --shade: #f3f6fa;
  }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .badge { border: 1px solid var(--tone); }
  article, header, .chart, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
`
