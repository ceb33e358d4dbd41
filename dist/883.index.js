const Mt=883,Dt=[883],Pt={9883:((kt,tt,p)=>{p.d(tt,{reportFiles:()=>R,writeReports:()=>vt,writeReportsInto:()=>X});var V=p(7957),T=p(7632),et=p(644),wt=p(5386),S=p(8211),W=p(4417),yt=p(9375),G=p(616),_t=p(9226),u=p(6950),Et=p(8177),M=p(1455),z=p(6760),at=p(2759),nt=p(4697),I=class{text;constructor(t){this.text=t}};function s(t,...e){const a=e.map(n=>n instanceof I?n.text:typeof n=="object"?n.map(({text:o})=>o).join(`
`):at(String(n)));return new I(t.map((n,o)=>n+(a[o]??"")).join(""))}var v=new I(""),B=960,w=172,Y=16,D=44,x=34;function ot(t,e){const{from:a,to:n,windows:o,backups:d,lastArchived:l,archivingFails:c}=t,b=n.getTime()-a.getTime(),r=i=>{const g=(Math.min(Math.max(i.getTime(),a.getTime()),n.getTime())-a.getTime())/b;return Math.round((w+g*(B-w-Y))*10)/10},h=o.length+2,f=x+h*D,$=i=>x+i*D,_=(i,g)=>Math.max(1,r(g)-r(i)),m=i=>$(i)+D/2,[E,P]=[m(o.length),m(o.length+1)],O=(o[0]?.spans??[]).map(({start:i,end:g})=>s`<rect class="shade" x="${r(i)}" y="${x}" width="${_(i,g)}" height="${f-x}"/>`),U=dt(a,n).map(i=>s`<line class="grid" x1="${r(i)}" x2="${r(i)}" y1="${x-6}" y2="${f}"/>
      <text class="day" x="${r(i)+5}" y="${x-12}">${ct(i)}</text>`),K=[...o.map(({reading:i})=>i.replace(/ \(.*\)$/,"")),"full backups","archiving"].map((i,g)=>{const j=$(g)+D;return s`<text class="lane" x="${w-10}" y="${m(g)+4}">${i}</text>
      <line class="rule" x1="${w}" x2="${B-Y}" y1="${j}" y2="${j}"/>`}),k=o.flatMap(({reading:i,spans:g},j)=>g.map(({start:N,end:q})=>{const[xt,mt]=[$(j)+9,D-18];return s`<rect class="window" x="${r(N)}" y="${xt}" width="${_(N,q)}" height="${mt}" rx="3">
        <title>${i}: ${(0,u.n$)(N)} to ${(0,u.n$)(q)}</title>
      </rect>`})),A=(i,g)=>s`<text class="none" x="${w+10}" y="${g+4}">${i}</text>`,C=d.map(i=>it(i,r,E));return s`<svg class="chart" viewBox="0 0 ${B} ${f+30}" role="img" aria-label="${H(t)}">
    <title>${H(t)}</title>
    ${O}
    ${U}
    ${K}
    ${k}
    ${C.length===0?A("none seen",E):C}
    ${l===void 0?A(c?"fails, nothing archived":"nothing archived yet",P):rt(l,r(l),P,c)}
    <line class="now" x1="${r(e)}" x2="${r(e)}" y1="${x-6}" y2="${f}"/>
    <text class="now" x="${r(e)}" y="${f+20}">now ${e.toISOString().slice(11,16)} UTC</text>
  </svg>`}function rt(t,e,a,n){const o=`archived${n?" failing":""}`;return s`<line class="${o}" x1="${w}" x2="${e}" y1="${a}" y2="${a}"/>
    <circle class="${o}" cx="${e}" cy="${a}" r="5"><title>last archived ${(0,u.n$)(t)}</title></circle>`}function it(t,e,a){const{what:n,started:o,finished:d,succeeded:l}=t,c=o??d??new Date(0),b=l?"good":"bad",r=`${n}: ${l?"succeeded":"did not succeed"}, ${(0,u.n$)(c)}`,h=o!==void 0&&d!==void 0?Math.max(0,e(d)-e(o)):0,f=s`<rect class="backup ${b}" x="${e(c)}" y="${a-7}" width="${h}" height="6" rx="3"/>`,$=l?s`<circle class="backup good" cx="${e(c)}" cy="${a-4}" r="6"/>`:s`<path class="backup bad" d="M${e(c)-5} ${a-9}l10 10m0 -10l-10 10"/>`;return s`<g>
    <title>${r}</title>
    ${h>2?f:v}
    ${$}
    <text class="stamp" x="${e(c)}" y="${a+17}">${c.toISOString().slice(11,16)}</text>
  </g>
`}function H({backups:t,lastArchived:e,archivingFails:a}){const n=t.filter(({succeeded:d})=>d).length,o=e===void 0?"nothing archived yet":`last archived ${(0,u.n$)(e)}`;return`The last three days: ${(0,u.U9)(n,"successful backup")}, ${t.length-n} other, ${o}${a?", failing now":""}`}function st({windows:t}){const e=t.length>1?", in both readings of its time zone":"";return s`<ul class="legend">
    <li><span class="key window"></span> backup window${e}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function dt(t,e){const a=Math.ceil(t.getTime()/S.LP)*S.LP,n=[];for(let o=a;o<e.getTime()-S.LP/3;o+=S.LP)n.push(new Date(o));return n}function ct(t){return t.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var lt=`
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
`;function ht(t,e){const{findings:a,at:n,profile:o,enforced:d,why:l,file:c,fileRead:b,picture:r}=t,h=(0,et.KS)(t),f=[["Database",e.database],["Role",e.role],["Secret",e.secret],["PostgreSQL",e.postgresql],["API server",e.server],["Profile",`${o}, ${d?"enforced":"reported only"} ${l.replaceAll("`","")}`],["Go-live file",b?c:`none at ${c}`],["Seen",(0,u.n$)(n)]],$=(0,W.Dg)(a).length;return s`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${T.rE}">
<title>${h} · ${e.database}</title>
<style>${new I(lt)}</style>
</head>
<body>
<main>
<header class="${t.verdict==="met"?"good":d?"bad":"doubtful"}">
  <p class="over">Go-live report · ${e.database}</p>
  <h1>${h}</h1>
  <p class="tally">${(0,W.N4)(a)} of ${(0,u.U9)(a.length,"requirement")}</p>
  <div class="bar" aria-hidden="true">${gt(a)}</div>
</header>
<dl class="facts">${f.map(([m,E])=>y(m,E))}</dl>
<section>
  <h2>The last days</h2>
  ${ot(r,n)}
  ${st(r)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${a.map(pt)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${a.map(ut)}
</section>
<footer>
  <p>
    Written by pg-app-user ${T.rE} from what it saw at ${(0,u.n$)(n)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${$===0?"Nothing holds the release back.":`${(0,u.U9)($,"requirement")} ${d?"hold":"would hold"} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`.text}function y(t,e,a=""){const n=a===""?v:s` class="${a}"`;return s`<div${n}><dt>${t}</dt><dd>${e}</dd></div>`}function pt(t){const{id:e,seen:a}=t;return s`<tr><td><a href="#${e}">${e}</a></td><td>${J(t)}</td><td>${a}</td></tr>`}var F={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},ft={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function J({verdict:t,counts:e}){const a=!e&&(t==="not met"||t==="unknown"),[n,o]=a?["idle",s` <small>does not count</small>`]:[F[t],v];return s`<span class="badge ${n}"><span aria-hidden="true">${ft[t]}</span> ${t}</span>${o}`}function gt(t){return W.rY.map(e=>{const a=t.filter(n=>n.verdict===e).length;return a===0?v:s`<span class="${F[e]}" style="flex-grow:${a}"></span>`})}function ut(t){const{id:e,title:a,wanted:n,seen:o,remedy:d,source:l,evidence:c,warnings:b,exception:r}=t;return s`<article id="${e}" class="${F[t.verdict]}">
  <h3><span>${a}</span> ${J(t)}</h3>
  <p class="id"><code>${e}</code> · from <a href="${l.url}">${l.text}</a></p>
  <dl>
    ${y("Wanted",n)}
    ${y("Seen",o)}
    ${d===""?v:y("To get past it",d)}
    ${r===void 0?v:y("Answers for it",`${r.by}, until ${r.until}`)}
    ${b.map(h=>y("Needs a look",h,"warning"))}
  </dl>
  ${c.length===0?v:bt(c)}
</article>`}function bt(t){const e=t.map(({query:a,answer:n,at:o})=>s`<tr><td><code>${a}</code></td><td>${n}</td><td class="time">${(0,u.n$)(o)}</td></tr>`);return s`<table class="evidence">
    <thead><tr><th>Asked</th><th>Answered</th><th>At</th></tr></thead>
    <tbody>${e}</tbody>
  </table>`}function $t({findings:t,profile:e,at:a},n){const o={tests:t.length,failures:t.filter(Q).length,errors:0,skipped:t.filter(Z).length},d=(0,nt.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...o}),l=d.ele("testsuite",{name:`go-live ${e} ${L(n.database)}`,timestamp:a.toISOString().slice(0,19),...o});for(const c of t){const{id:b,title:r,verdict:h,seen:f,wanted:$,remedy:_,evidence:m,warnings:E,source:P}=c,O=l.ele("testcase",{classname:`go-live.${e}`,name:`${b}: ${r}`,time:"0"}),U=L(`${h}: ${f}`);if(Q(c)){const k=[`wanted: ${$}`,`seen: ${f}`,..._===""?[]:[`to get past it: ${_}`]];O.ele("failure",{message:U,type:h}).txt(L(k.join(`
`)))}else Z(c)&&O.ele("skipped",{message:U});const K=[`${h}: ${f}`,`from: ${P.text}, ${P.url}`,...E.map(k=>`needs a look: ${k}`),...m.map(({query:k,answer:A,at:C})=>`${C.toISOString()} ${k} -> ${A}`)];O.ele("system-out").txt(L(K.join(`
`)))}return`${d.doc().end({prettyPrint:!0})}
`}function Q({counts:t,verdict:e}){return t&&(e==="not met"||e==="unknown")}function Z(t){const{verdict:e}=t;return e==="not applicable"||(e==="not met"||e==="unknown")&&!t.counts}function L(t){return t.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var R={json:"go-live.json",junit:"go-live.xml",html:"go-live.html"};async function vt(t,e,a,n){const o=await(0,M.mkdtemp)((0,z.join)(a,"pg-app-user-go-live-"));return await X(o,t,e,n,384),o}async function X(t,e,a,n,o=420){const d=(0,T.zO)(e,n),l=(0,T.zO)((0,V.e)(a),n);if(await(0,M.mkdir)(t,{recursive:!0}),(await(0,M.lstat)((0,z.resolve)(t))).isSymbolicLink())throw new G.rA("the folder is a link");const c={[R.json]:(0,V.w)(d,l),[R.junit]:n($t(d,l)),[R.html]:n(ht(d,l))};for(const[b,r]of Object.entries(c)){const h=(0,z.join)(t,b);(await(0,M.lstat)(h).catch(()=>{}))?.isSymbolicLink()&&await(0,M.rm)(h),await(0,G.S0)(h,r,o)}}})};export{Mt as id,Dt as ids,Pt as modules};
