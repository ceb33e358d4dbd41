const ye=255,_e=[255],Me={5255:((we,q,f)=>{f.d(q,{reportFiles:()=>A,writeReports:()=>$e,writeReportsInto:()=>X});var N=f(75),V=f(9210),ee=f(9529),ke=f(9430),U=f(4417),u=f(6033),T=f(3024),P=f(1455),W=f(6760),te=f(2759),ae=f(4697),S=class{text;constructor(t){this.text=t}};function d(t,...e){const a=e.map(n=>n instanceof S?n.text:typeof n=="object"?n.map(({text:o})=>o).join(`
`):te(String(n)));return new S(t.map((n,o)=>n+(a[o]??"")).join(""))}var x=new S("");function ne(t,e){const{findings:a,at:n,profile:o,enforced:r,why:l,file:c,fileRead:b,picture:s}=t,p=(0,ee.KS)(t),h=[["Database",e.database],["Role",e.role],["Secret",e.secret],["PostgreSQL",e.postgresql],["API server",e.server],["Profile",`${o}, ${r?"enforced":"reported only"} ${l.replaceAll("`","")}`],["Go-live file",b?c:`none at ${c}`],["Seen",(0,u.n$)(n)]],$=(0,U.Dg)(a).length;return d`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${V.r}">
<title>${p} · ${e.database}</title>
<style>${new S(ue)}</style>
</head>
<body>
<main>
<header class="${t.verdict==="met"?"good":r?"bad":"doubtful"}">
  <p class="over">Go-live report · ${e.database}</p>
  <h1>${p}</h1>
  <p class="tally">${(0,U.N4)(a)} of ${(0,u.U9)(a.length,"requirement")}</p>
  <div class="bar" aria-hidden="true">${ie(a)}</div>
</header>
<dl class="facts">${h.map(([m,M])=>k(m,M))}</dl>
<section>
  <h2>The last days</h2>
  ${ce(s,n)}
  ${he(s)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${a.map(oe)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${a.map(se)}
</section>
<footer>
  <p>
    Written by pg-app-user ${V.r} from what it saw at ${(0,u.n$)(n)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${$===0?"Nothing holds the release back.":`${(0,u.U9)($,"requirement")} ${r?"hold":"would hold"} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`.text}function k(t,e,a=""){const n=a===""?x:d` class="${a}"`;return d`<div${n}><dt>${t}</dt><dd>${e}</dd></div>`}function oe(t){const{id:e,seen:a}=t;return d`<tr><td><a href="#${e}">${e}</a></td><td>${G(t)}</td><td>${a}</td></tr>`}var z={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},re={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function G({verdict:t,counts:e}){const a=!e&&(t==="not met"||t==="unknown"),[n,o]=a?["idle",d` <small>does not count</small>`]:[z[t],x];return d`<span class="badge ${n}"><span aria-hidden="true">${re[t]}</span> ${t}</span>${o}`}function ie(t){return U.rY.map(e=>{const a=t.filter(n=>n.verdict===e).length;return a===0?x:d`<span class="${z[e]}" style="flex-grow:${a}"></span>`})}function se(t){const{id:e,title:a,wanted:n,seen:o,remedy:r,source:l,evidence:c,warnings:b,exception:s}=t;return d`<article id="${e}" class="${z[t.verdict]}">
  <h3><span>${a}</span> ${G(t)}</h3>
  <p class="id"><code>${e}</code> · from <a href="${l.url}">${l.text}</a></p>
  <dl>
    ${k("Wanted",n)}
    ${k("Seen",o)}
    ${r===""?x:k("To get past it",r)}
    ${s===void 0?x:k("Answers for it",`${s.by}, until ${s.until}`)}
    ${b.map(p=>k("Needs a look",p,"warning"))}
  </dl>
  ${c.length===0?x:de(c)}
</article>`}function de(t){const e=t.map(({query:a,answer:n,at:o})=>d`<tr><td><code>${a}</code></td><td>${n}</td><td class="time">${(0,u.n$)(o)}</td></tr>`);return d`<table class="evidence">
    <thead><tr><th>Asked</th><th>Answered</th><th>At</th></tr></thead>
    <tbody>${e}</tbody>
  </table>`}var C=960,y=172,H=16,E=44,v=34;function ce(t,e){const{from:a,to:n,windows:o,backups:r,lastArchived:l,archivingFails:c}=t,b=n.getTime()-a.getTime(),s=i=>{const g=(Math.min(Math.max(i.getTime(),a.getTime()),n.getTime())-a.getTime())/b;return Math.round((y+g*(C-y-H))*10)/10},p=o.length+2,h=v+p*E,$=i=>v+i*E,_=(i,g)=>Math.max(1,s(g)-s(i)),m=i=>$(i)+E/2,[M,O]=[m(o.length),m(o.length+1)],D=(o[0]?.spans??[]).map(({start:i,end:g})=>d`<rect class="shade" x="${s(i)}" y="${v}" width="${_(i,g)}" height="${h-v}"/>`),F=fe(a,n).map(i=>d`<line class="grid" x1="${s(i)}" x2="${s(i)}" y1="${v-6}" y2="${h}"/>
      <text class="day" x="${s(i)+5}" y="${v-12}">${ge(i)}</text>`),B=[...o.map(({reading:i})=>i.replace(/ \(.*\)$/,"")),"full backups","archiving"].map((i,g)=>{const j=$(g)+E;return d`<text class="lane" x="${y-10}" y="${m(g)+4}">${i}</text>
      <line class="rule" x1="${y}" x2="${C-H}" y1="${j}" y2="${j}"/>`}),w=o.flatMap(({reading:i,spans:g},j)=>g.map(({start:K,end:Z})=>{const[ve,me]=[$(j)+9,E-18];return d`<rect class="window" x="${s(K)}" y="${ve}" width="${_(K,Z)}" height="${me}" rx="3">
        <title>${i}: ${(0,u.n$)(K)} to ${(0,u.n$)(Z)}</title>
      </rect>`})),I=(i,g)=>d`<text class="none" x="${y+10}" y="${g+4}">${i}</text>`,L=r.map(i=>pe(i,s,M));return d`<svg class="chart" viewBox="0 0 ${C} ${h+30}" role="img" aria-label="${J(t)}">
    <title>${J(t)}</title>
    ${D}
    ${F}
    ${B}
    ${w}
    ${L.length===0?I("none seen",M):L}
    ${l===void 0?I(c?"fails, nothing archived":"nothing archived yet",O):le(l,s(l),O,c)}
    <line class="now" x1="${s(e)}" x2="${s(e)}" y1="${v-6}" y2="${h}"/>
    <text class="now" x="${s(e)}" y="${h+20}">now ${e.toISOString().slice(11,16)} UTC</text>
  </svg>`}function le(t,e,a,n){const o=`archived${n?" failing":""}`;return d`<line class="${o}" x1="${y}" x2="${e}" y1="${a}" y2="${a}"/>
    <circle class="${o}" cx="${e}" cy="${a}" r="5"><title>last archived ${(0,u.n$)(t)}</title></circle>`}function pe(t,e,a){const{what:n,started:o,finished:r,succeeded:l}=t,c=o??r??new Date(0),b=l?"good":"bad",s=`${n}: ${l?"succeeded":"did not succeed"}, ${(0,u.n$)(c)}`,p=o!==void 0&&r!==void 0?Math.max(0,e(r)-e(o)):0,h=d`<rect class="backup ${b}" x="${e(c)}" y="${a-7}" width="${p}" height="6" rx="3"/>`,$=l?d`<circle class="backup good" cx="${e(c)}" cy="${a-4}" r="6"/>`:d`<path class="backup bad" d="M${e(c)-5} ${a-9}l10 10m0 -10l-10 10"/>`;return d`<g>
    <title>${s}</title>
    ${p>2?h:x}
    ${$}
    <text class="stamp" x="${e(c)}" y="${a+17}">${c.toISOString().slice(11,16)}</text>
  </g>
`}function J({backups:t,lastArchived:e,archivingFails:a}){const n=t.filter(({succeeded:r})=>r).length,o=e===void 0?"nothing archived yet":`last archived ${(0,u.n$)(e)}`;return`The last three days: ${(0,u.U9)(n,"successful backup")}, ${t.length-n} other, ${o}${a?", failing now":""}`}function he({windows:t}){const e=t.length>1?", in both readings of its time zone":"";return d`<ul class="legend">
    <li><span class="key window"></span> backup window${e}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function fe(t,e){const n=Math.ceil(t.getTime()/864e5)*864e5,o=[];for(let r=n;r<e.getTime()-864e5/3;r+=864e5)o.push(new Date(r));return o}function ge(t){return t.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var ue=`
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
`;function be({findings:t,profile:e,at:a},n){const o={tests:t.length,failures:t.filter(Y).length,errors:0,skipped:t.filter(Q).length},r=(0,ae.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...o}),l=r.ele("testsuite",{name:`go-live ${e} ${R(n.database)}`,timestamp:a.toISOString().slice(0,19),...o});for(const c of t){const{id:b,title:s,verdict:p,seen:h,wanted:$,remedy:_,evidence:m,warnings:M,source:O}=c,D=l.ele("testcase",{classname:`go-live.${e}`,name:`${b}: ${s}`,time:"0"}),F=R(`${p}: ${h}`);if(Y(c)){const w=[`wanted: ${$}`,`seen: ${h}`,..._===""?[]:[`to get past it: ${_}`]];D.ele("failure",{message:F,type:p}).txt(R(w.join(`
`)))}else Q(c)&&D.ele("skipped",{message:F});const B=[`${p}: ${h}`,`from: ${O.text}, ${O.url}`,...M.map(w=>`needs a look: ${w}`),...m.map(({query:w,answer:I,at:L})=>`${L.toISOString()} ${w} -> ${I}`)];D.ele("system-out").txt(R(B.join(`
`)))}return`${r.doc().end({prettyPrint:!0})}
`}function Y({counts:t,verdict:e}){return t&&(e==="not met"||e==="unknown")}function Q(t){const{verdict:e}=t;return e==="not applicable"||(e==="not met"||e==="unknown")&&!t.counts}function R(t){return t.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var A={json:"go-live.json",junit:"go-live.xml",html:"go-live.html"};async function $e(t,e,a,n){const o=await(0,P.mkdtemp)((0,W.join)(a,"pg-app-user-go-live-"));return await X(o,t,e,n,384),o}async function X(t,e,a,n,o=420){const r=(0,N.e)(a);await(0,P.mkdir)(t,{recursive:!0});const l={[A.json]:(0,N.w)(e,r),[A.junit]:be(e,r),[A.html]:ne(e,r)};for(const[c,b]of Object.entries(l))await(0,P.rm)((0,W.join)(t,c),{force:!0}),await xe((0,W.join)(t,c),n(b),o)}async function xe(t,e,a){const n=T.constants.O_WRONLY|T.constants.O_CREAT|T.constants.O_EXCL|T.constants.O_NOFOLLOW,o=await(0,P.open)(t,n,a);try{await o.writeFile(e)}finally{await o.close()}}})};export{ye as id,_e as ids,Me as modules};
