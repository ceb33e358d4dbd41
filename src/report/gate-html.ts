import {
  holdingBack,
  pageOf,
  tally,
  tallyOf,
  verdicts,
  type Evidence,
  type Finding,
  type GateReport,
} from '../go-live/finding.ts'
import { count, utc } from '../lib/text.ts'
import { version } from '../lib/version.ts'
import { chartLegend, gateChart } from './gate-chart.ts'
import type { Subject } from './gate-json.ts'
import { gateStyle } from './gate-style.ts'
import { gateTitle } from './gate-summary.ts'
import { Markup, markup, nothing } from './markup.ts'

/** Returns go-live.html: the page for whoever has to be shown, complete in itself, without a script. */
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
    ['Commit', subject.commit === '' ? 'not known' : subject.commit],
    ['Identifiers', identityWords(subject)],
    ['Seen', utc(at)],
  ]
  const holding = holdingBack(findings)
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${version}">
<title>${title} · ${subject.database}</title>
<style>${new Markup(gateStyle)}</style>
</head>
<body>
<main>
<header class="${report.verdict === 'met' ? 'good' : enforced ? 'bad' : 'doubtful'}">
  <p class="over">Go-live report · ${subject.database}</p>
  <h1>${title}</h1>
  <p class="tally">${count(findings.length, 'requirement')}: ${tally(findings)}</p>
  <div class="bar" aria-hidden="true">${bar(findings)}</div>
  ${holding.length === 0 ? nothing : markup`<p class="holding">${holding.map(shortcut)}</p>`}
</header>
<dl class="facts">${facts.map(([name, value]) => entry(name, value))}</dl>
<section>
  <h2>The last days</h2>
  <div class="scroll" tabindex="0" role="region" aria-label="The last days, as a picture">${gateChart(picture, at)}</div>
  ${chartLegend(picture)}
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
    ${holding.length === 0 ? 'Nothing holds the release back.' : `${count(holding.length, 'requirement')} ${enforced ? 'hold' : 'would hold'} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`
  return page.text
}

/** What tells the database from every other one, in words. */
function identityWords({ systemIdentifier, databaseOid }: Subject): string {
  if (systemIdentifier === '') return 'not known'
  return `server ${systemIdentifier}${databaseOid === '' ? '' : `, database ${databaseOid}`}`
}

/** A name and what it stands for, as a pair of a list. */
function entry(name: string, value: string, style = ''): Markup {
  const attribute = style === '' ? nothing : markup` class="${style}"`
  return markup`<div${attribute}><dt>${name}</dt><dd>${value}</dd></div>`
}

/** The way to what holds back, for whoever has no more than the first screen of a phone. */
function shortcut({ id, verdict }: Finding): Markup {
  return markup`<a class="badge ${classes[verdict]}" href="#${id}"><span aria-hidden="true">${signs[verdict]}</span> ${id}</a> `
}

function glance(finding: Finding): Markup {
  const { id, title, seen, remedy } = finding
  const way = remedy === '' ? nothing : markup`<p class="way">→ ${remedy}</p>`
  return markup`<tr><td><a href="#${id}">${id}</a> <small>${title}</small></td><td>${badge(finding)}</td><td>${seen}${way}</td></tr>`
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
  const amounts = tallyOf(findings)
  const parts = verdicts.map((verdict) => [classes[verdict], amounts[verdict]] as const)
  return [...parts, ['idle', amounts['does not count']] as const].map(([style, amount]) =>
    amount === 0 ? nothing : markup`<span class="${style}" style="flex-grow:${amount}"></span>`,
  )
}

function article(finding: Finding): Markup {
  const { id, title, wanted, seen, remedy, source, evidence, warnings, exception } = finding
  return markup`<article id="${id}" class="${classes[finding.verdict]}">
  <h3><span>${title}</span> ${badge(finding)}</h3>
  <p class="id"><code>${id}</code> · <a href="${pageOf(id)}">what it is</a> · from <a href="${source.url}">${source.text}</a></p>
  <dl>
    ${entry('Wanted', wanted)}
    ${entry('Seen', seen)}
    ${remedy === '' ? nothing : entry('To get past it', remedy)}
    ${exception === undefined ? nothing : entry('Answers for it', `${exception.by}, until ${exception.until}`)}
    ${warnings.map((warning) => entry('Needs a look', warning, 'warning'))}
  </dl>
  ${evidence.length === 0 ? nothing : looks(evidence)}
</article>`
}

/** What was asked, above what came back: both need the whole width. */
function looks(evidence: readonly Evidence[]): Markup {
  const items = evidence.map(
    ({ query, answer, at }) =>
      markup`<li><code>${query}</code><p>${answer} <span class="time">${utc(at)}</span></p></li>`,
  )
  return markup`<ul class="evidence" aria-label="Evidence">${items}</ul>`
}
