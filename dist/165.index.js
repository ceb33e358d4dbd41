const De=165,Te=[165],Pe={6165:((Oe,ie,f)=>{f.d(ie,{IU:()=>O,Li:()=>ye,pG:()=>te});var N=f(6104),G=f(6485),V=f(7569),I=f(8211),v=f(4757),J=f(616),m=f(6922),w=f(1455),E=f(6760),re=f(2759),se=f(4697),U=class{text;constructor(t){this.text=t}};function l(t,...e){const n=e.map(a=>a instanceof U?a.text:typeof a=="object"?a.map(({text:o})=>o).join(`
`):re(String(a)));return new U(t.map((a,o)=>a+(n[o]??"")).join(""))}var $=new U(""),B=960,x=172,X=16,P=44,k=34;function le(t,e){const{from:n,to:a,backups:o,lastArchived:i,archivingFails:p}=t,c=H(t),b=a.getTime()-n.getTime(),s=r=>{const u=(Math.min(Math.max(r.getTime(),n.getTime()),a.getTime())-n.getTime())/b;return Math.round((x+u*(B-x-X))*10)/10},d=c.length+2,h=k+d*P,g=r=>k+r*P,D=(r,u)=>Math.max(1,s(u)-s(r)),y=r=>g(r)+P/2,[T,S]=[y(c.length),y(c.length+1)],L=(c[0]?.spans??[]).map(({start:r,end:u})=>l`<rect class="shade" x="${s(r)}" y="${k}" width="${D(r,u)}" height="${h-k}"/>`),R=he(n,a).map(r=>l`<line class="grid" x1="${s(r)}" x2="${s(r)}" y1="${k-6}" y2="${h}"/>
      <text class="day" x="${s(r)+5}" y="${k-12}">${fe(r)}</text>`),A=[...c.map(({reading:r})=>r.replace(/ \(.*\)$/,"")),"full backups","archiving"].map((r,u)=>{const j=g(u)+P;return{name:l`<text class="lane" x="${x-10}" y="${y(u)+4}">${r}</text>`,rule:l`<line class="rule" x1="${x}" x2="${B-X}" y1="${j}" y2="${j}"/>`}}),_=c.flatMap(({reading:r,spans:u},j)=>u.map(({start:K,end:oe})=>{const[Ee,Me]=[g(j)+9,P-18];return l`<rect class="window" x="${s(K)}" y="${Ee}" width="${D(K,oe)}" height="${Me}" rx="3">
        <title>${r}: ${(0,m.n$)(K)} to ${(0,m.n$)(oe)}</title>
      </rect>`})),F=(r,u)=>l`<text class="none" x="${s(e)-10}" y="${u+4}">${r}</text>`,W=o.map(r=>de(r,s,T)),ne=h+30;return l`<svg class="chart" viewBox="${x} 0 ${B-x} ${ne}" role="img" aria-label="${Q(t)}">
    <title>${Q(t)}</title>
    ${L}
    ${R}
    ${A.map(({rule:r})=>r)}
    ${_}
    ${W.length===0?F("none seen",T):W}
    ${i===void 0?F(p?"fails, nothing archived":"nothing archived yet",S):ce(i,s(i),S,p)}
    <line class="now" x1="${s(e)}" x2="${s(e)}" y1="${k-6}" y2="${h}"/>
    <text class="now" x="${s(e)}" y="${h+20}">now ${e.toISOString().slice(11,16)} UTC</text>
  </svg>
  <svg class="lanes" viewBox="0 0 ${x} ${ne}" aria-hidden="true">${A.map(({name:r})=>r)}</svg>`}function H({windows:t}){const[e,...n]=t;if(e===void 0)return[];const[a,o]=[JSON.stringify(e.spans),n];return o.every(i=>JSON.stringify(i.spans)===a)?[{...e,reading:o.length===0?e.reading:"backup window"}]:t}function ce(t,e,n,a){const o=`archived${a?" failing":""}`;return l`<line class="${o}" x1="${x}" x2="${e}" y1="${n}" y2="${n}"/>
    <circle class="${o}" cx="${e}" cy="${n}" r="5"><title>last archived ${(0,m.n$)(t)}</title></circle>`}function de(t,e,n){const{what:a,started:o,finished:i,succeeded:p}=t,c=o??i??new Date(0),b=p?"good":"bad",s=`${a}: ${p?"succeeded":"did not succeed"}, ${(0,m.n$)(c)}`,d=o!==void 0&&i!==void 0?Math.max(0,e(i)-e(o)):0,h=l`<rect class="backup ${b}" x="${e(c)}" y="${n-7}" width="${d}" height="6" rx="3"/>`,g=p?l`<circle class="backup good" cx="${e(c)}" cy="${n-4}" r="6"/>`:l`<path class="backup bad" d="M${e(c)-5} ${n-9}l10 10m0 -10l-10 10"/>`;return l`<g>
    <title>${s}</title>
    ${d>2?h:$}
    ${g}
    <text class="stamp" x="${e(c)}" y="${n+17}">${c.toISOString().slice(11,16)}</text>
  </g>
`}function Q({backups:t,lastArchived:e,archivingFails:n}){const a=t.filter(({succeeded:i})=>i).length,o=e===void 0?"nothing archived yet":`last archived ${(0,m.n$)(e)}`;return`The last three days: ${(0,m.U9)(a,"successful backup")}, ${t.length-a} other, ${o}${n?", failing now":""}`}function pe(t){const e=H(t).length>1?", in both readings of its time zone":"";return l`<ul class="legend">
    <li><span class="key window"></span> backup window${e}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function he(t,e){const n=Math.ceil(t.getTime()/I.LP)*I.LP,a=[];for(let o=n;o<e.getTime()-I.LP/3;o+=I.LP)a.push(new Date(o));return a}function fe(t){return t.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var ge=`
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
/* Right to left, so that it begins at its right end, which is now; the names of the lanes come last, which is left. */
.scroll { display: flex; align-items: flex-start; overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--card); direction: rtl; }
.scroll > * { direction: ltr; display: block; height: auto; min-width: 0; }
/* Both keep the scale of the whole, which is 960 wide. */
.lanes { flex: 172 0 140px; position: sticky; left: 0; background: var(--card); }
.chart { flex: 788 0 641.4px; }
.scroll text { fill: var(--soft); font-size: 12.5px; }
.lanes .lane { text-anchor: end; fill: var(--ink); }
.chart .day { font-size: 12px; }
.chart .stamp { text-anchor: middle; font-size: 11px; }
.chart .none { text-anchor: end; font-style: italic; }
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
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; }
.glance { background: var(--card); border: 1px solid var(--line); border-radius: 10px; border-collapse: separate; border-spacing: 0; }
.glance th, .glance td { padding: 8px 14px; }
.glance tr:last-child td { border-bottom: 0; }
.glance td:first-child { width: 250px; }
.glance td:first-child small { display: block; }
.glance td:nth-child(2) { width: 150px; }
.way { margin: 2px 0 0; color: var(--soft); font-size: 13.5px; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 999px; background: var(--tone-back); color: var(--tone); font-size: 13px; font-weight: 600; white-space: nowrap; }
small { color: var(--soft); }
.holding { display: flex; flex-wrap: wrap; gap: 6px; margin: 12px 0 0; }
article { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--tone); border-radius: 8px; padding: 14px 20px 12px; margin: 0 0 14px; }
h3 { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 4px 16px; margin: 0; font-size: 16px; }
.id { margin: 2px 0 10px; color: var(--soft); font-size: 13px; }
article dl { margin: 0 0 8px; display: grid; gap: 4px; }
article dl div { display: grid; grid-template-columns: 120px 1fr; gap: 12px; }
article dt { padding-top: 2px; }
article dd { margin: 0; overflow-wrap: anywhere; }
.warning dt, .warning dd { color: var(--doubt); }
.evidence { margin: 10px 0 4px; padding: 8px 0 0; border-top: 1px solid var(--line); list-style: none; font-size: 13px; }
.evidence li + li { margin-top: 8px; }
.evidence code { display: block; color: var(--soft); overflow-wrap: break-word; white-space: pre-wrap; }
.evidence p { margin: 1px 0 0; overflow-wrap: break-word; }
.time { color: var(--soft); white-space: nowrap; }
footer { margin-top: 28px; color: var(--soft); font-size: 13px; }
@media (max-width: 640px) {
  main { padding: 16px 12px 32px; }
  article dl div { grid-template-columns: 1fr; gap: 0; }
  .glance thead { display: none; }
  .glance tr { display: block; padding: 10px 14px; border-bottom: 1px solid var(--line); }
  .glance tr:last-child { border-bottom: 0; }
  .glance td, .glance td:first-child, .glance td:nth-child(2) { display: block; width: auto; padding: 2px 0; border: 0; }
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
  article, header, .scroll, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  .lanes, .chart { flex-shrink: 1; }
  h2, h3 { break-after: avoid; }
}
`;function ue(t,e){const{findings:n,at:a,profile:o,enforced:i,why:p,file:c,fileRead:b,picture:s}=t,d=(0,N.KS)(t),h=[["Database",e.database],["Role",e.role],["Secret",e.secret],["PostgreSQL",e.postgresql],["API server",e.server],["Profile",`${o}, ${i?"enforced":"reported only"} ${p.replaceAll("`","")}`],["Go-live file",b?c:`none at ${c}`],["Commit",e.commit===""?"not known":e.commit],["Identifiers",me(e)],["Seen",(0,m.n$)(a)]],g=(0,v.Dg)(n);return l`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${v.rE}">
<title>${d} · ${e.database}</title>
<style>${new U(ge)}</style>
</head>
<body>
<main>
<header class="${t.verdict==="met"?"good":i?"bad":"doubtful"}">
  <p class="over">Go-live report · ${e.database}</p>
  <h1>${d}</h1>
  <p class="tally">${(0,m.U9)(n.length,"requirement")}: ${(0,v.N4)(n)}</p>
  <div class="bar" aria-hidden="true">${xe(n)}</div>
  ${g.length===0?$:l`<p class="holding">${g.map(be)}</p>`}
</header>
<dl class="facts">${h.map(([y,T])=>M(y,T))}</dl>
<section>
  <h2>The last days</h2>
  <div class="scroll" tabindex="0" role="region" aria-label="The last days, as a picture">${le(s,a)}</div>
  ${pe(s)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${n.map($e)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${n.map(ve)}
</section>
<footer>
  <p>
    Written by pg-app-user ${v.rE} from what it saw at ${(0,m.n$)(a)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${g.length===0?"Nothing holds the release back.":`${(0,m.U9)(g.length,"requirement")} ${i?"hold":"would hold"} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`.text}function me({systemIdentifier:t,databaseOid:e}){return t===""?"not known":`server ${t}${e===""?"":`, database ${e}`}`}function M(t,e,n=""){const a=n===""?$:l` class="${n}"`;return l`<div${a}><dt>${t}</dt><dd>${e}</dd></div>`}function be({id:t,verdict:e}){return l`<a class="badge ${C[e]}" href="#${t}"><span aria-hidden="true">${Y[e]}</span> ${t}</a> `}function $e(t){const{id:e,title:n,seen:a,remedy:o}=t,i=o===""?$:l`<p class="way">→ ${o}</p>`;return l`<tr><td><a href="#${e}">${e}</a> <small>${n}</small></td><td>${Z(t)}</td><td>${a}${i}</td></tr>`}var C={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},Y={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function Z({verdict:t,counts:e}){const n=!e&&(t==="not met"||t==="unknown"),[a,o]=n?["idle",l` <small>does not count</small>`]:[C[t],$];return l`<span class="badge ${a}"><span aria-hidden="true">${Y[t]}</span> ${t}</span>${o}`}function xe(t){const e=(0,v.sv)(t);return[...v.rY.map(a=>[C[a],e[a]]),["idle",e["does not count"]]].map(([a,o])=>o===0?$:l`<span class="${a}" style="flex-grow:${o}"></span>`)}function ve(t){const{id:e,title:n,wanted:a,seen:o,remedy:i,source:p,evidence:c,warnings:b,exception:s}=t;return l`<article id="${e}" class="${C[t.verdict]}">
  <h3><span>${n}</span> ${Z(t)}</h3>
  <p class="id"><code>${e}</code> · <a href="${(0,v.ZZ)(e)}">what it is</a> · from <a href="${p.url}">${p.text}</a></p>
  <dl>
    ${M("Wanted",a)}
    ${M("Seen",o)}
    ${i===""?$:M("To get past it",i)}
    ${s===void 0?$:M("Answers for it",`${s.by}, until ${s.until}`)}
    ${b.map(d=>M("Needs a look",d,"warning"))}
  </dl>
  ${c.length===0?$:we(c)}
</article>`}function we(t){const e=t.map(({query:n,answer:a,at:o})=>l`<li><code>${n}</code><p>${a} <span class="time">${(0,m.n$)(o)}</span></p></li>`);return l`<ul class="evidence" aria-label="Evidence">${e}</ul>`}function ke({findings:t,profile:e,at:n},a){const o={tests:t.length,failures:t.filter(q).length,errors:0,skipped:t.filter(ee).length},i=(0,se.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...o}),p=i.ele("testsuite",{name:`go-live ${e} ${z(a.database)}`,timestamp:n.toISOString().slice(0,19),...o});for(const c of t){const{id:b,title:s,verdict:d,seen:h,wanted:g,remedy:D,evidence:y,warnings:T,source:S}=c,L=p.ele("testcase",{classname:`go-live.${e}`,name:`${b}: ${s}`,time:"0"}),R=z(`${d}: ${h}`);if(q(c)){const _=[`wanted: ${g}`,`seen: ${h}`,...D===""?[]:[`to get past it: ${D}`]];L.ele("failure",{message:R,type:d}).txt(z(_.join(`
`)))}else ee(c)&&L.ele("skipped",{message:R});const A=[`${d}: ${h}`,`from: ${S.text}, ${S.url}`,...T.map(_=>`needs a look: ${_}`),...y.map(({query:_,answer:F,at:W})=>`${W.toISOString()} ${_} -> ${F}`)];L.ele("system-out").txt(z(A.join(`
`)))}return`${i.doc().end({prettyPrint:!0})}
`}function q({counts:t,verdict:e}){return t&&(e==="not met"||e==="unknown")}function ee(t){const{verdict:e}=t;return e==="not applicable"||(e==="not met"||e==="unknown")&&!t.counts}function z(t){return t.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var O={json:"go-live.json",junit:"go-live.xml",html:"go-live.html",attest:"attest.yaml",rights:"rights.yaml"};async function ye(t,e,n,a){const o=await(0,w.mkdtemp)((0,E.join)(n,"pg-app-user-go-live-"));return await te(o,t,e,a,384),o}async function te(t,e,n,a,o=420){const i=(0,V.zO)(e,a),p=(0,V.zO)((0,G.e)(n),a);if(await ae((0,E.resolve)(t)),(await(0,w.lstat)((0,E.resolve)(t))).isSymbolicLink())throw new J.rA("the folder is a link");const c={[O.json]:(0,G.w)(i,p),[O.junit]:a(ke(i,p)),[O.html]:a(ue(i,p)),[O.attest]:a(_e(i)),[O.rights]:a(i.manifest)};for(const[b,s]of Object.entries(c)){const d=(0,E.join)(t,b),h=await(0,w.lstat)(d).catch(()=>{});h?.isSymbolicLink()&&await(0,w.rm)(d),s!==""?await(0,J.S0)(d,s,o):h?.isFile()&&await(0,w.rm)(d)}}async function ae(t){try{await(0,w.mkdir)(t)}catch(e){const{code:n}=e;if(n==="EEXIST")return;if(n!=="ENOENT"||(0,E.dirname)(t)===t)throw e;await ae((0,E.dirname)(t)),await(0,w.mkdir)(t)}}function _e(t){const e=(0,N.XM)(t);if(e===void 0)return"";const n=t.manifest===""?"":`# With the Roles in rights.yaml, the run can see some of this by itself: ask for them first.
`;return`# To ${e.verbs}: fill in the blanks, and commit it as a part of ${t.file}.
${n}${e.yaml}
`}})};export{De as id,Te as ids,Pe as modules};
