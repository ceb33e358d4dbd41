const U=58,K=[58],L={4058:((C,M,$)=>{$.d(M,{AU:()=>d,KS:()=>R,Qm:()=>T,aY:()=>s,ih:()=>i,om:()=>_,qN:()=>f,tp:()=>g});var j=$(4001),h=$(4417),m=$(6033);function g(e,n){const t=o=>`| ${o.join(" | ")} |`;return[t(e),t(e.map(()=>"---")),...n.map(t)].join(`
`)}function d(e,n){return`<details><summary>${e}</summary>

${n}

</details>`}function _(e,n){const t="`".repeat(Math.max(3,(0,m.aZ)(n)+1));return`${t}${e}
${n.trimEnd()}
${t}`}function f(...e){return`${e.map(n=>n.trimEnd()).filter(n=>n!=="").join(`

`)}
`}function s(e){const n=(0,m.TN)(e);return/[`|\\]/.test(n)||n===""?`<code>${y(n)}</code>`:`\`${n}\``}function i(e){return e.replace(/[\r\n\u2028\u2029]+/g," ").replace(/(?<!`)(`+)(?!`)([^]*?)(?<!`)\1(?!`)|`+|[^`]+/g,(n,t,o)=>t===void 0?y(n):s(o??""))}function y(e){return e.replace(/[\\<>&|*_[\]#~!$@`]/g,n=>`&#${n.charCodeAt(0)};`)}var v=90;function R({verdict:e,enforced:n,findings:t}){return e==="met"?`Ready to go live: ${(0,h.N4)(t)}`:`${n?"Release held back":"Would be held back"}: ${(0,h.N4)((0,h.Dg)(t))}`}function T(e,n){const{findings:t,profile:o,enforced:a,why:u,at:l,manifest:r}=n,w=o==="premium"?"Premium":"Standard",N=a?"enforced":"reported only",S=n.verdict==="held-back"&&a?` ${(0,j.JA)(e)}`:"",E=t.filter(({verdict:c})=>c!=="met"&&c!=="not applicable"),p=t.filter(({verdict:c})=>c==="met"),b=t.filter(({verdict:c})=>c==="not applicable"),D=t.flatMap(({id:c,warnings:x})=>x.map(B=>`- ${s(c)}: ${i(B)}`));return f(`${w} profile, ${N} ${i(u)}. Seen ${(0,m.n$)(l)}.${S}`,E.length===0?"":g(["requirement","verdict","seen","to get past it"],E.map(A)),D.length===0?"":`**Needs a look**

${D.join(`
`)}`,p.length===0?"":d(`${(0,m.U9)(p.length,"requirement")} ${p.length===1?"is":"are"} met`,k(p)),b.length===0?"":d(`${b.length} not applicable`,k(b)),d("Evidence",t.map(P).join(`

`)),O(n),I(n),r===""?"":d("Rights that would make more of it known, for your administrator",f("It is the whole Role, with what provisioning needs, and safe to apply more than once.",_("yaml",r))))}function A({id:e,verdict:n,counts:t,seen:o,remedy:a,exception:u}){const r=t&&(n==="not met"||n==="unknown")?`**${n}**`:u!==void 0?`${n}, until ${u.until}`:`${n}, does not count`;return[s(e),r,i(o),i(a)]}function k(e){return g(["requirement","wanted","seen"],e.map(({id:n,wanted:t,seen:o})=>[s(n),i(t),i(o)]))}function P({id:e,title:n,source:t,evidence:o}){const a=o.map(({query:l,answer:r,at:w})=>`- ${s(l)} \u2192 ${i(r)} (${(0,m.n$)(w)})`);return[`${s(e)} ${i(n)}. From: [${i(t.text)}](${t.url})`,"",...a.length===0?["- nothing to look at"]:a].join(`
`)}function O({findings:e,file:n,at:t}){const o=e.filter(({verdict:l,attestable:r})=>l==="unknown"&&r);if(o.length===0)return"";const a=new Date(t.getTime()+v*24*3600*1e3).toISOString().slice(0,10),u=o.flatMap(({id:l},r)=>[`  - requirement: ${l}`,`    statement: ""${r===0?"         # what you checked, and where":""}`,'    by: ""',`    valid-until: ${a}`]);return f(`**To attest, commit this** (${s(n)}) **and fill in the blanks:**`,_("yaml",["attestations:",...u].join(`
`)))}function I({findings:e}){const n=(0,h.Dg)(e).filter(({attestable:a})=>!a);if(n.length===0)return"";const[t,o]=n.length===1?["it can be seen","It"]:["they can be seen","They"];return`${(0,m.em)(n.map(({id:a})=>s(a)))} cannot be attested, because ${t}. ${o} can be waived: owner, reason and end date.`}})};export{U as id,K as ids,L as modules};
