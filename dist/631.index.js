const Et=631,Mt=[631],Ot={3631:((kt,tt,p)=>{p.d(tt,{reportFiles:()=>S,writeReports:()=>vt,writeReportsInto:()=>Q});var G=p(75),V=p(9210),et=p(2116),yt=p(1161),D=p(1085),W=p(4417),u=p(7389),_t=p(8177),T=p(3024),L=p(1455),F=p(6760),at=p(2759),nt=p(4697),A=class{text;constructor(e){this.text=e}};function s(e,...t){const a=t.map(n=>n instanceof A?n.text:typeof n=="object"?n.map(({text:o})=>o).join(`
`):at(String(n)));return new A(e.map((n,o)=>n+(a[o]??"")).join(""))}var v=new A("");function ot(e,t){const{findings:a,at:n,profile:o,enforced:c,why:l,file:d,fileRead:b,picture:i}=e,h=(0,et.KS)(e),f=[["Database",t.database],["Role",t.role],["Secret",t.secret],["PostgreSQL",t.postgresql],["API server",t.server],["Profile",`${o}, ${c?"enforced":"reported only"} ${l.replaceAll("`","")}`],["Go-live file",b?d:`none at ${d}`],["Seen",(0,u.n$)(n)]],$=(0,W.Dg)(a).length;return s`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${V.r}">
<title>${h} · ${t.database}</title>
<style>${new A(bt)}</style>
</head>
<body>
<main>
<header class="${e.verdict==="met"?"good":c?"bad":"doubtful"}">
  <p class="over">Go-live report · ${t.database}</p>
  <h1>${h}</h1>
  <p class="tally">${(0,W.N4)(a)} of ${(0,u.U9)(a.length,"requirement")}</p>
  <div class="bar" aria-hidden="true">${st(a)}</div>
</header>
<dl class="facts">${f.map(([m,E])=>k(m,E))}</dl>
<section>
  <h2>The last days</h2>
  ${lt(i,n)}
  ${ft(i)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${a.map(rt)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${a.map(dt)}
</section>
<footer>
  <p>
    Written by pg-app-user ${V.r} from what it saw at ${(0,u.n$)(n)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${$===0?"Nothing holds the release back.":`${(0,u.U9)($,"requirement")} ${c?"hold":"would hold"} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`.text}function k(e,t,a=""){const n=a===""?v:s` class="${a}"`;return s`<div${n}><dt>${e}</dt><dd>${t}</dd></div>`}function rt(e){const{id:t,seen:a}=e;return s`<tr><td><a href="#${t}">${t}</a></td><td>${Y(e)}</td><td>${a}</td></tr>`}var z={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},it={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function Y({verdict:e,counts:t}){const a=!t&&(e==="not met"||e==="unknown"),[n,o]=a?["idle",s` <small>does not count</small>`]:[z[e],v];return s`<span class="badge ${n}"><span aria-hidden="true">${it[e]}</span> ${e}</span>${o}`}function st(e){return W.rY.map(t=>{const a=e.filter(n=>n.verdict===t).length;return a===0?v:s`<span class="${z[t]}" style="flex-grow:${a}"></span>`})}function dt(e){const{id:t,title:a,wanted:n,seen:o,remedy:c,source:l,evidence:d,warnings:b,exception:i}=e;return s`<article id="${t}" class="${z[e.verdict]}">
  <h3><span>${a}</span> ${Y(e)}</h3>
  <p class="id"><code>${t}</code> · from <a href="${l.url}">${l.text}</a></p>
  <dl>
    ${k("Wanted",n)}
    ${k("Seen",o)}
    ${c===""?v:k("To get past it",c)}
    ${i===void 0?v:k("Answers for it",`${i.by}, until ${i.until}`)}
    ${b.map(h=>k("Needs a look",h,"warning"))}
  </dl>
  ${d.length===0?v:ct(d)}
</article>`}function ct(e){const t=e.map(({query:a,answer:n,at:o})=>s`<tr><td><code>${a}</code></td><td>${n}</td><td class="time">${(0,u.n$)(o)}</td></tr>`);return s`<table class="evidence">
    <thead><tr><th>Asked</th><th>Answered</th><th>At</th></tr></thead>
    <tbody>${t}</tbody>
  </table>`}var B=960,y=172,H=16,M=44,x=34;function lt(e,t){const{from:a,to:n,windows:o,backups:c,lastArchived:l,archivingFails:d}=e,b=n.getTime()-a.getTime(),i=r=>{const g=(Math.min(Math.max(r.getTime(),a.getTime()),n.getTime())-a.getTime())/b;return Math.round((y+g*(B-y-H))*10)/10},h=o.length+2,f=x+h*M,$=r=>x+r*M,_=(r,g)=>Math.max(1,i(g)-i(r)),m=r=>$(r)+M/2,[E,O]=[m(o.length),m(o.length+1)],P=(o[0]?.spans??[]).map(({start:r,end:g})=>s`<rect class="shade" x="${i(r)}" y="${x}" width="${_(r,g)}" height="${f-x}"/>`),C=gt(a,n).map(r=>s`<line class="grid" x1="${i(r)}" x2="${i(r)}" y1="${x-6}" y2="${f}"/>
      <text class="day" x="${i(r)+5}" y="${x-12}">${ut(r)}</text>`),K=[...o.map(({reading:r})=>r.replace(/ \(.*\)$/,"")),"full backups","archiving"].map((r,g)=>{const j=$(g)+M;return s`<text class="lane" x="${y-10}" y="${m(g)+4}">${r}</text>
      <line class="rule" x1="${y}" x2="${B-H}" y1="${j}" y2="${j}"/>`}),w=o.flatMap(({reading:r,spans:g},j)=>g.map(({start:N,end:q})=>{const[mt,wt]=[$(j)+9,M-18];return s`<rect class="window" x="${i(N)}" y="${mt}" width="${_(N,q)}" height="${wt}" rx="3">
        <title>${r}: ${(0,u.n$)(N)} to ${(0,u.n$)(q)}</title>
      </rect>`})),I=(r,g)=>s`<text class="none" x="${y+10}" y="${g+4}">${r}</text>`,U=c.map(r=>ht(r,i,E));return s`<svg class="chart" viewBox="0 0 ${B} ${f+30}" role="img" aria-label="${X(e)}">
    <title>${X(e)}</title>
    ${P}
    ${C}
    ${K}
    ${w}
    ${U.length===0?I("none seen",E):U}
    ${l===void 0?I(d?"fails, nothing archived":"nothing archived yet",O):pt(l,i(l),O,d)}
    <line class="now" x1="${i(t)}" x2="${i(t)}" y1="${x-6}" y2="${f}"/>
    <text class="now" x="${i(t)}" y="${f+20}">now ${t.toISOString().slice(11,16)} UTC</text>
  </svg>`}function pt(e,t,a,n){const o=`archived${n?" failing":""}`;return s`<line class="${o}" x1="${y}" x2="${t}" y1="${a}" y2="${a}"/>
    <circle class="${o}" cx="${t}" cy="${a}" r="5"><title>last archived ${(0,u.n$)(e)}</title></circle>`}function ht(e,t,a){const{what:n,started:o,finished:c,succeeded:l}=e,d=o??c??new Date(0),b=l?"good":"bad",i=`${n}: ${l?"succeeded":"did not succeed"}, ${(0,u.n$)(d)}`,h=o!==void 0&&c!==void 0?Math.max(0,t(c)-t(o)):0,f=s`<rect class="backup ${b}" x="${t(d)}" y="${a-7}" width="${h}" height="6" rx="3"/>`,$=l?s`<circle class="backup good" cx="${t(d)}" cy="${a-4}" r="6"/>`:s`<path class="backup bad" d="M${t(d)-5} ${a-9}l10 10m0 -10l-10 10"/>`;return s`<g>
    <title>${i}</title>
    ${h>2?f:v}
    ${$}
    <text class="stamp" x="${t(d)}" y="${a+17}">${d.toISOString().slice(11,16)}</text>
  </g>
`}function X({backups:e,lastArchived:t,archivingFails:a}){const n=e.filter(({succeeded:c})=>c).length,o=t===void 0?"nothing archived yet":`last archived ${(0,u.n$)(t)}`;return`The last three days: ${(0,u.U9)(n,"successful backup")}, ${e.length-n} other, ${o}${a?", failing now":""}`}function ft({windows:e}){const t=e.length>1?", in both readings of its time zone":"";return s`<ul class="legend">
    <li><span class="key window"></span> backup window${t}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function gt(e,t){const a=Math.ceil(e.getTime()/D.LP)*D.LP,n=[];for(let o=a;o<t.getTime()-D.LP/3;o+=D.LP)n.push(new Date(o));return n}function ut(e){return e.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var bt=`
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
`;function $t({findings:e,profile:t,at:a},n){const o={tests:e.length,failures:e.filter(Z).length,errors:0,skipped:e.filter(J).length},c=(0,nt.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...o}),l=c.ele("testsuite",{name:`go-live ${t} ${R(n.database)}`,timestamp:a.toISOString().slice(0,19),...o});for(const d of e){const{id:b,title:i,verdict:h,seen:f,wanted:$,remedy:_,evidence:m,warnings:E,source:O}=d,P=l.ele("testcase",{classname:`go-live.${t}`,name:`${b}: ${i}`,time:"0"}),C=R(`${h}: ${f}`);if(Z(d)){const w=[`wanted: ${$}`,`seen: ${f}`,..._===""?[]:[`to get past it: ${_}`]];P.ele("failure",{message:C,type:h}).txt(R(w.join(`
`)))}else J(d)&&P.ele("skipped",{message:C});const K=[`${h}: ${f}`,`from: ${O.text}, ${O.url}`,...E.map(w=>`needs a look: ${w}`),...m.map(({query:w,answer:I,at:U})=>`${U.toISOString()} ${w} -> ${I}`)];P.ele("system-out").txt(R(K.join(`
`)))}return`${c.doc().end({prettyPrint:!0})}
`}function Z({counts:e,verdict:t}){return e&&(t==="not met"||t==="unknown")}function J(e){const{verdict:t}=e;return t==="not applicable"||(t==="not met"||t==="unknown")&&!e.counts}function R(e){return e.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var S={json:"go-live.json",junit:"go-live.xml",html:"go-live.html"};async function vt(e,t,a,n){const o=await(0,L.mkdtemp)((0,F.join)(a,"pg-app-user-go-live-"));return await Q(o,e,t,n,384),o}async function Q(e,t,a,n,o=420){const c=(0,G.e)(a);await(0,L.mkdir)(e,{recursive:!0});const l={[S.json]:(0,G.w)(t,c),[S.junit]:$t(t,c),[S.html]:ot(t,c)};for(const[d,b]of Object.entries(l))await(0,L.rm)((0,F.join)(e,d),{force:!0}),await xt((0,F.join)(e,d),n(b),o)}async function xt(e,t,a){const n=T.constants.O_WRONLY|T.constants.O_CREAT|T.constants.O_EXCL|T.constants.O_NOFOLLOW,o=await(0,L.open)(e,n,a);try{await o.writeFile(t)}finally{await o.close()}}})};export{Et as id,Mt as ids,Ot as modules};
