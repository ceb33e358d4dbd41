const Oe=127,De=[127],Pe={8127:((Me,oe,f)=>{f.d(oe,{IU:()=>M,Li:()=>ke,pG:()=>te});var G=f(6104),N=f(6485),V=f(7569),L=f(8211),v=f(4757),J=f(616),b=f(6922),_=f(1455),F=f(6760),ie=f(2759),re=f(4697),U=class{text;constructor(t){this.text=t}};function l(t,...e){const n=e.map(a=>a instanceof U?a.text:typeof a=="object"?a.map(({text:o})=>o).join(`
`):ie(String(a)));return new U(t.map((a,o)=>a+(n[o]??"")).join(""))}var $=new U(""),B=960,x=172,H=16,P=44,w=34;function se(t,e){const{from:n,to:a,backups:o,lastArchived:i,archivingFails:p}=t,c=Q(t),m=a.getTime()-n.getTime(),s=r=>{const u=(Math.min(Math.max(r.getTime(),n.getTime()),a.getTime())-n.getTime())/m;return Math.round((x+u*(B-x-H))*10)/10},d=c.length+2,h=w+d*P,g=r=>w+r*P,O=(r,u)=>Math.max(1,s(u)-s(r)),k=r=>g(r)+P/2,[D,T]=[k(c.length),k(c.length+1)],S=(c[0]?.spans??[]).map(({start:r,end:u})=>l`<rect class="shade" x="${s(r)}" y="${w}" width="${O(r,u)}" height="${h-w}"/>`),z=pe(n,a).map(r=>l`<line class="grid" x1="${s(r)}" x2="${s(r)}" y1="${w-6}" y2="${h}"/>
      <text class="day" x="${s(r)+5}" y="${w-12}">${he(r)}</text>`),R=[...c.map(({reading:r})=>r.replace(/ \(.*\)$/,"")),"full backups","archiving"].map((r,u)=>{const j=g(u)+P;return{name:l`<text class="lane" x="${x-10}" y="${k(u)+4}">${r}</text>`,rule:l`<line class="rule" x1="${x}" x2="${B-H}" y1="${j}" y2="${j}"/>`}}),y=c.flatMap(({reading:r,spans:u},j)=>u.map(({start:K,end:ne})=>{const[_e,Ee]=[g(j)+9,P-18];return l`<rect class="window" x="${s(K)}" y="${_e}" width="${O(K,ne)}" height="${Ee}" rx="3">
        <title>${r}: ${(0,b.n$)(K)} to ${(0,b.n$)(ne)}</title>
      </rect>`})),A=(r,u)=>l`<text class="none" x="${s(e)-10}" y="${u+4}">${r}</text>`,W=o.map(r=>ce(r,s,D)),ae=h+30;return l`<svg class="chart" viewBox="${x} 0 ${B-x} ${ae}" role="img" aria-label="${X(t)}">
    <title>${X(t)}</title>
    ${S}
    ${z}
    ${R.map(({rule:r})=>r)}
    ${y}
    ${W.length===0?A("none seen",D):W}
    ${i===void 0?A(p?"fails, nothing archived":"nothing archived yet",T):le(i,s(i),T,p)}
    <line class="now" x1="${s(e)}" x2="${s(e)}" y1="${w-6}" y2="${h}"/>
    <text class="now" x="${s(e)}" y="${h+20}">now ${e.toISOString().slice(11,16)} UTC</text>
  </svg>
  <svg class="lanes" viewBox="0 0 ${x} ${ae}" aria-hidden="true">${R.map(({name:r})=>r)}</svg>`}function Q({windows:t}){const[e,...n]=t;if(e===void 0)return[];const[a,o]=[JSON.stringify(e.spans),n];return o.every(i=>JSON.stringify(i.spans)===a)?[{...e,reading:o.length===0?e.reading:"backup window"}]:t}function le(t,e,n,a){const o=`archived${a?" failing":""}`;return l`<line class="${o}" x1="${x}" x2="${e}" y1="${n}" y2="${n}"/>
    <circle class="${o}" cx="${e}" cy="${n}" r="5"><title>last archived ${(0,b.n$)(t)}</title></circle>`}function ce(t,e,n){const{what:a,started:o,finished:i,succeeded:p}=t,c=o??i??new Date(0),m=p?"good":"bad",s=`${a}: ${p?"succeeded":"did not succeed"}, ${(0,b.n$)(c)}`,d=o!==void 0&&i!==void 0?Math.max(0,e(i)-e(o)):0,h=l`<rect class="backup ${m}" x="${e(c)}" y="${n-7}" width="${d}" height="6" rx="3"/>`,g=p?l`<circle class="backup good" cx="${e(c)}" cy="${n-4}" r="6"/>`:l`<path class="backup bad" d="M${e(c)-5} ${n-9}l10 10m0 -10l-10 10"/>`;return l`<g>
    <title>${s}</title>
    ${d>2?h:$}
    ${g}
    <text class="stamp" x="${e(c)}" y="${n+17}">${c.toISOString().slice(11,16)}</text>
  </g>
`}function X({backups:t,lastArchived:e,archivingFails:n}){const a=t.filter(({succeeded:i})=>i).length,o=e===void 0?"nothing archived yet":`last archived ${(0,b.n$)(e)}`;return`The last three days: ${(0,b.U9)(a,"successful backup")}, ${t.length-a} other, ${o}${n?", failing now":""}`}function de(t){const e=Q(t).length>1?", in both readings of its time zone":"";return l`<ul class="legend">
    <li><span class="key window"></span> backup window${e}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function pe(t,e){const n=Math.ceil(t.getTime()/L.LP)*L.LP,a=[];for(let o=n;o<e.getTime()-L.LP/3;o+=L.LP)a.push(new Date(o));return a}function he(t){return t.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var fe=`
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
`;function ge(t,e){const{findings:n,at:a,profile:o,enforced:i,why:p,file:c,fileRead:m,picture:s}=t,d=(0,G.KS)(t),h=[["Database",e.database],["Role",e.role],["Secret",e.secret],["PostgreSQL",e.postgresql],["API server",e.server],["Profile",`${o}, ${i?"enforced":"reported only"} ${p.replaceAll("`","")}`],["Go-live file",m?c:`none at ${c}`],["Commit",e.commit===""?"not known":e.commit],["Identifiers",ue(e)],["Seen",(0,b.n$)(a)]],g=(0,v.Dg)(n);return l`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pg-app-user ${v.rE}">
<title>${d} · ${e.database}</title>
<style>${new U(fe)}</style>
</head>
<body>
<main>
<header class="${t.verdict==="met"?"good":i?"bad":"doubtful"}">
  <p class="over">Go-live report · ${e.database}</p>
  <h1>${d}</h1>
  <p class="tally">${(0,b.U9)(n.length,"requirement")}: ${(0,v.N4)(n)}</p>
  <div class="bar" aria-hidden="true">${$e(n)}</div>
  ${g.length===0?$:l`<p class="holding">${g.map(be)}</p>`}
</header>
<dl class="facts">${h.map(([k,D])=>E(k,D))}</dl>
<section>
  <h2>The last days</h2>
  <div class="scroll" tabindex="0" role="region" aria-label="The last days, as a picture">${se(s,a)}</div>
  ${de(s)}
</section>
<section>
  <h2>At a glance</h2>
  <table class="glance">
    <thead><tr><th>Requirement</th><th>Verdict</th><th>Seen</th></tr></thead>
    <tbody>${n.map(me)}</tbody>
  </table>
</section>
<section>
  <h2>Evidence</h2>
  ${n.map(xe)}
</section>
<footer>
  <p>
    Written by pg-app-user ${v.rE} from what it saw at ${(0,b.n$)(a)}.
    Nothing in it is taken for fine because it could not be seen: that is “unknown”.
    ${g.length===0?"Nothing holds the release back.":`${(0,b.U9)(g.length,"requirement")} ${i?"hold":"would hold"} the release back.`}
  </p>
</footer>
</main>
</body>
</html>
`.text}function ue({systemIdentifier:t,databaseOid:e}){return t===""?"not known":`server ${t}${e===""?"":`, database ${e}`}`}function E(t,e,n=""){const a=n===""?$:l` class="${n}"`;return l`<div${a}><dt>${t}</dt><dd>${e}</dd></div>`}function be({id:t,verdict:e}){return l`<a class="badge ${C[e]}" href="#${t}"><span aria-hidden="true">${Y[e]}</span> ${t}</a> `}function me(t){const{id:e,title:n,seen:a,remedy:o}=t,i=o===""?$:l`<p class="way">→ ${o}</p>`;return l`<tr><td><a href="#${e}">${e}</a> <small>${n}</small></td><td>${Z(t)}</td><td>${a}${i}</td></tr>`}var C={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},Y={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function Z({verdict:t,counts:e}){const n=!e&&(t==="not met"||t==="unknown"),[a,o]=n?["idle",l` <small>does not count</small>`]:[C[t],$];return l`<span class="badge ${a}"><span aria-hidden="true">${Y[t]}</span> ${t}</span>${o}`}function $e(t){const e=(0,v.sv)(t);return[...v.rY.map(a=>[C[a],e[a]]),["idle",e["does not count"]]].map(([a,o])=>o===0?$:l`<span class="${a}" style="flex-grow:${o}"></span>`)}function xe(t){const{id:e,title:n,wanted:a,seen:o,remedy:i,source:p,evidence:c,warnings:m,exception:s}=t;return l`<article id="${e}" class="${C[t.verdict]}">
  <h3><span>${n}</span> ${Z(t)}</h3>
  <p class="id"><code>${e}</code> · <a href="${(0,v.ZZ)(e)}">what it is</a> · from <a href="${p.url}">${p.text}</a></p>
  <dl>
    ${E("Wanted",a)}
    ${E("Seen",o)}
    ${i===""?$:E("To get past it",i)}
    ${s===void 0?$:E("Answers for it",`${s.by}, until ${s.until}`)}
    ${m.map(d=>E("Needs a look",d,"warning"))}
  </dl>
  ${c.length===0?$:ve(c)}
</article>`}function ve(t){const e=t.map(({query:n,answer:a,at:o})=>l`<li><code>${n}</code><p>${a} <span class="time">${(0,b.n$)(o)}</span></p></li>`);return l`<ul class="evidence" aria-label="Evidence">${e}</ul>`}function we({findings:t,profile:e,at:n},a){const o={tests:t.length,failures:t.filter(q).length,errors:0,skipped:t.filter(ee).length},i=(0,re.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...o}),p=i.ele("testsuite",{name:`go-live ${e} ${I(a.database)}`,timestamp:n.toISOString().slice(0,19),...o});for(const c of t){const{id:m,title:s,verdict:d,seen:h,wanted:g,remedy:O,evidence:k,warnings:D,source:T}=c,S=p.ele("testcase",{classname:`go-live.${e}`,name:`${m}: ${s}`,time:"0"}),z=I(`${d}: ${h}`);if(q(c)){const y=[`wanted: ${g}`,`seen: ${h}`,...O===""?[]:[`to get past it: ${O}`]];S.ele("failure",{message:z,type:d}).txt(I(y.join(`
`)))}else ee(c)&&S.ele("skipped",{message:z});const R=[`${d}: ${h}`,`from: ${T.text}, ${T.url}`,...D.map(y=>`needs a look: ${y}`),...k.map(({query:y,answer:A,at:W})=>`${W.toISOString()} ${y} -> ${A}`)];S.ele("system-out").txt(I(R.join(`
`)))}return`${i.doc().end({prettyPrint:!0})}
`}function q({counts:t,verdict:e}){return t&&(e==="not met"||e==="unknown")}function ee(t){const{verdict:e}=t;return e==="not applicable"||(e==="not met"||e==="unknown")&&!t.counts}function I(t){return t.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var M={json:"go-live.json",junit:"go-live.xml",html:"go-live.html",attest:"attest.yaml",rights:"rights.yaml"};async function ke(t,e,n,a){const o=await(0,_.mkdtemp)((0,F.join)(n,"pg-app-user-go-live-"));return await te(o,t,e,a,384),o}async function te(t,e,n,a,o=420){const i=(0,V.zO)(e,a),p=(0,V.zO)((0,N.e)(n),a);if(await(0,_.mkdir)(t,{recursive:!0}),(await(0,_.lstat)((0,F.resolve)(t))).isSymbolicLink())throw new J.rA("the folder is a link");const c={[M.json]:(0,N.w)(i,p),[M.junit]:a(we(i,p)),[M.html]:a(ge(i,p)),[M.attest]:a(ye(i)),[M.rights]:a(i.manifest)};for(const[m,s]of Object.entries(c)){const d=(0,F.join)(t,m),h=await(0,_.lstat)(d).catch(()=>{});h?.isSymbolicLink()&&await(0,_.rm)(d),s!==""?await(0,J.S0)(d,s,o):h?.isFile()&&await(0,_.rm)(d)}}function ye(t){const e=(0,G.XM)(t);if(e===void 0)return"";const n=t.manifest===""?"":`# With the Roles in rights.yaml, the run can see some of this by itself: ask for them first.
`;return`# To ${e.verbs}: fill in the blanks, and commit it as a part of ${t.file}.
${n}${e.yaml}
`}})};export{Oe as id,De as ids,Pe as modules};
