const pe=463,he=[463],fe={6463:((ce,H,f)=>{f.d(H,{reportFiles:()=>F,writeReports:()=>se,writeReportsInto:()=>Q});var Y=f(4058),z=f(2092),C=f(4001),T=f(4417),g=f(6033),P=f(3024),R=f(1455),j=f(6760),V=f(2759),X=f(4697),S=class{text;constructor(e){this.text=e}};function d(e,...t){const a=t.map(o=>o instanceof S?o.text:typeof o=="object"?o.map(({text:n})=>n).join(""):V(String(o)));return new S(e.map((o,n)=>o+(a[n]??"")).join(""))}var m=new S("");function J(e,t){const{findings:a,at:o,profile:n,enforced:r,why:c,file:s,fileRead:u,picture:i}=e,p=(0,Y.KS)(e),h=[["Database",t.database],["Role",t.role],["Secret",t.secret],["PostgreSQL",t.postgresql],["API server",t.server],["Profile",`${n}, ${r?"enforced":"reported only"} ${c.replaceAll("`","")}`],["Go-live file",u?s:`none at ${s}`],["Seen",(0,g.n$)(o)]];return d`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="generator" content="pg-app-user ${C.rE}" />
        <title>${p} · ${t.database}</title>
        <style>
          ${new S(ie)}
        </style>
      </head>
      <body>
        <main>
          <header class="${e.verdict==="met"?"good":r?"bad":"doubtful"}">
            <p class="over">Go-live report · ${t.database}</p>
            <h1>${p}</h1>
            <p class="tally">${(0,T.N4)(a)} of ${(0,g.U9)(a.length,"requirement")}</p>
            <div class="bar" aria-hidden="true">${q(a)}</div>
          </header>
          <dl class="facts">
            ${h.map(([$,M])=>d`<div>
                  <dt>${$}</dt>
                  <dd>${M}</dd>
                </div>`)}
          </dl>
          <section>
            <h2>The last days</h2>
            ${te(i,o)} ${oe(i)}
          </section>
          <section>
            <h2>At a glance</h2>
            <table class="glance">
              <thead>
                <tr>
                  <th>Requirement</th>
                  <th>Verdict</th>
                  <th>Seen</th>
                </tr>
              </thead>
              <tbody>
                ${a.map($=>d`<tr>
                      <td><a href="#${$.id}">${$.id}</a></td>
                      <td>${W($)}</td>
                      <td>${$.seen}</td>
                    </tr>`)}
              </tbody>
            </table>
          </section>
          <section>
            <h2>Evidence</h2>
            ${a.map(ee)}
          </section>
          <footer>
            <p>
              Written by pg-app-user ${C.rE} from what it saw at ${(0,g.n$)(o)}. Nothing in it is taken for
              fine because it could not be seen: that is “unknown”.
              ${(0,T.Dg)(a).length===0?"Nothing holds the release back.":`${(0,g.U9)((0,T.Dg)(a).length,"requirement")} ${r?"hold":"would hold"} the release back.`}
            </p>
          </footer>
        </main>
      </body>
    </html> `.text}var I={met:"good","not met":"bad",unknown:"doubtful",attested:"vouched",waived:"vouched","not applicable":"idle"},Z={met:"\u2713","not met":"\u2717",unknown:"?",attested:"\u270E",waived:"\u270E","not applicable":"\u2013"};function W({verdict:e,counts:t}){const a=!t&&(e==="not met"||e==="unknown");return d`<span class="badge ${a?"idle":I[e]}"
      ><span aria-hidden="true">${Z[e]}</span> ${e}</span
    >${a?d` <small>does not count</small>`:m}`}function q(e){return T.rY.map(t=>{const a=e.filter(o=>o.verdict===t).length;return a===0?m:d`<span class="${I[t]}" style="flex-grow:${a}"></span>`})}function ee(e){const{id:t,title:a,wanted:o,seen:n,remedy:r,source:c,evidence:s,warnings:u,exception:i}=e;return d`<article id="${t}" class="${I[e.verdict]}">
    <h3><span>${a}</span> ${W(e)}</h3>
    <p class="id"><code>${t}</code> · from <a href="${c.url}">${c.text}</a></p>
    <dl>
      <div>
        <dt>Wanted</dt>
        <dd>${o}</dd>
      </div>
      <div>
        <dt>Seen</dt>
        <dd>${n}</dd>
      </div>
      ${r===""?m:d`<div>
              <dt>To get past it</dt>
              <dd>${r}</dd>
            </div>`}
      ${i===void 0?m:d`<div>
              <dt>Answers for it</dt>
              <dd>${i.by}, until ${i.until}</dd>
            </div>`}
      ${u.map(p=>d`<div class="warning">
            <dt>Needs a look</dt>
            <dd>${p}</dd>
          </div>`)}
    </dl>
    ${s.length===0?m:d`<table class="evidence">
            <thead>
              <tr>
                <th>Asked</th>
                <th>Answered</th>
                <th>At</th>
              </tr>
            </thead>
            <tbody>
              ${s.map(({query:p,answer:h,at:b})=>d`<tr>
                    <td><code>${p}</code></td>
                    <td>${h}</td>
                    <td class="time">${(0,g.n$)(b)}</td>
                  </tr>`)}
            </tbody>
          </table>`}
  </article> `}var U=960,w=172,B=16,x=44,k=34;function te(e,t){const{from:a,to:o,windows:n,backups:r,lastArchived:c,archivingFails:s}=e,u=o.getTime()-a.getTime(),i=l=>{const v=(Math.min(Math.max(l.getTime(),a.getTime()),o.getTime())-a.getTime())/u;return Math.round((w+v*(U-w-B))*10)/10},p=n.length+2,h=k+p*x,b=l=>k+l*x,$=n.flatMap(({reading:l,spans:v},y)=>v.map(({start:D,end:L})=>d`<rect
          class="window"
          x="${i(D)}"
          y="${b(y)+9}"
          width="${Math.max(1,i(L)-i(D))}"
          height="${x-18}"
          rx="3"
          ><title>${l}: ${(0,g.n$)(D)} to ${(0,g.n$)(L)}</title></rect
        >`)),M=(n[0]?.spans??[]).map(({start:l,end:v})=>d`<rect
        class="shade"
        x="${i(l)}"
        y="${k}"
        width="${Math.max(1,i(v)-i(l))}"
        height="${h-k}"
      />`),_=b(n.length+1)+x/2,E=b(n.length)+x/2,O=[...n.map(({reading:l})=>l.replace(/ \(.*\)$/,"")),"full backups","archiving"];return d`<svg
    class="chart"
    viewBox="0 0 ${U} ${h+30}"
    role="img"
    aria-label="${K(e)}"
  >
    <title>${K(e)}</title>
    ${M}
    ${ne(a,o).map(l=>d`<line class="grid" x1="${i(l)}" x2="${i(l)}" y1="${k-6}" y2="${h}" /><text
            class="day"
            x="${i(l)+5}"
            y="${k-12}"
            >${re(l)}</text
          >`)}
    ${O.map((l,v)=>d`<text class="lane" x="${w-10}" y="${b(v)+x/2+4}">${l}</text><line class="rule" x1="${w}" x2="${U-B}" y1="${b(v)+x}" y2="${b(v)+x}" />`)}
    ${$} ${r.map(l=>ae(l,i,E))}
    ${r.length===0?d`<text class="none" x="${w+10}" y="${E+4}">none seen</text>`:m}
    ${c===void 0?d`<text class="none" x="${w+10}" y="${_+4}"
            >${s?"fails, nothing archived":"nothing archived yet"}</text
          >`:d`<line
              class="archived ${s?"failing":""}"
              x1="${w}"
              x2="${i(c)}"
              y1="${_}"
              y2="${_}"
            /><circle
              class="archived ${s?"failing":""}"
              cx="${i(c)}"
              cy="${_}"
              r="5"
              ><title>last archived ${(0,g.n$)(c)}</title></circle
            >`}
    <line class="now" x1="${i(t)}" x2="${i(t)}" y1="${k-6}" y2="${h}" />
    <text class="now" x="${i(t)}" y="${h+20}">now ${t.toISOString().slice(11,16)} UTC</text>
  </svg>`}function ae(e,t,a){const{what:o,started:n,finished:r,succeeded:c}=e,s=n??r??new Date(0),u=c?"good":"bad",i=`${o}: ${c?"succeeded":"did not succeed"}, ${(0,g.n$)(s)}`,p=n!==void 0&&r!==void 0?Math.max(0,t(r)-t(n)):0,h=c?d`<circle class="backup good" cx="${t(s)}" cy="${a-4}" r="6" />`:d`<path class="backup bad" d="M${t(s)-5} ${a-9}l10 10m0 -10l-10 10" />`;return d`<g
    ><title>${i}</title
    >${p>2?d`<rect class="backup ${u}" x="${t(s)}" y="${a-7}" width="${p}" height="6" rx="3" />`:m}${h}<text
      class="stamp"
      x="${t(s)}"
      y="${a+17}"
      >${s.toISOString().slice(11,16)}</text
    ></g
  >`}function K({backups:e,lastArchived:t,archivingFails:a}){const o=e.filter(({succeeded:r})=>r).length,n=t===void 0?"nothing archived yet":`last archived ${(0,g.n$)(t)}`;return`The last three days: ${(0,g.U9)(o,"successful backup")}, ${e.length-o} other, ${n}${a?", failing now":""}`}function oe({windows:e}){return d`<ul class="legend">
    <li>
      <span class="key window"></span> backup
      window${e.length>1?", in both readings of its time zone":""}
    </li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`}function ne(e,t){const o=Math.ceil(e.getTime()/864e5)*864e5,n=[];for(let r=o;r<t.getTime()-864e5/3;r+=864e5)n.push(new Date(r));return n}function re(e){return e.toLocaleDateString("en-GB",{weekday:"short",day:"numeric",month:"short",timeZone:"UTC"})}var ie=`
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
`;function de({findings:e,profile:t,at:a},o){const n={tests:e.length,failures:e.filter(N).length,errors:0,skipped:e.filter(G).length},r=(0,X.vt)({version:"1.0",encoding:"UTF-8"}).ele("testsuites",{name:"go-live",...n}),c=r.ele("testsuite",{name:`go-live ${t} ${A(o.database)}`,timestamp:a.toISOString().slice(0,19),...n});for(const s of e){const{id:u,title:i,verdict:p,seen:h,wanted:b,remedy:$,evidence:M,warnings:_,source:E}=s,O=c.ele("testcase",{classname:`go-live.${t}`,name:`${u}: ${i}`,time:"0"}),l=A(`${p}: ${h}`);if(N(s)){const y=[`wanted: ${b}`,`seen: ${h}`,...$===""?[]:[`to get past it: ${$}`]];O.ele("failure",{message:l,type:p}).txt(A(y.join(`
`)))}else G(s)&&O.ele("skipped",{message:l});const v=[`${p}: ${h}`,`from: ${E.text}, ${E.url}`,..._.map(y=>`needs a look: ${y}`),...M.map(({query:y,answer:D,at:L})=>`${L.toISOString()} ${y} -> ${D}`)];O.ele("system-out").txt(A(v.join(`
`)))}return`${r.doc().end({prettyPrint:!0})}
`}function N({counts:e,verdict:t}){return e&&(t==="not met"||t==="unknown")}function G(e){const{verdict:t}=e;return t==="not applicable"||(t==="not met"||t==="unknown")&&!e.counts}function A(e){return e.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu," ")}var F={json:"go-live.json",junit:"go-live.xml",html:"go-live.html"};async function se(e,t,a,o){const n=await(0,R.mkdtemp)((0,j.join)(a,"pg-app-user-go-live-"));return await Q(n,e,t,o,384),n}async function Q(e,t,a,o,n=420){const r=(0,z.e)(a);await(0,R.mkdir)(e,{recursive:!0});const c={[F.json]:(0,z.w)(t,r),[F.junit]:de(t,r),[F.html]:J(t,r)};for(const[s,u]of Object.entries(c))await(0,R.rm)((0,j.join)(e,s),{force:!0}),await le((0,j.join)(e,s),o(u),n)}async function le(e,t,a){const o=P.constants.O_WRONLY|P.constants.O_CREAT|P.constants.O_EXCL|P.constants.O_NOFOLLOW,n=await(0,R.open)(e,o,a);try{await n.writeFile(t)}finally{await n.close()}}})};export{pe as id,he as ids,fe as modules};
