const Jt=229,Xt=[229],Yt={229:((Ze,le,g)=>{g.d(le,{$D:()=>je,$x:()=>Ge,GX:()=>Ke,HJ:()=>J,IL:()=>yt,KE:()=>jt,Ke:()=>Lt,Kf:()=>Qe,LH:()=>I,Lw:()=>F,NO:()=>Ot,O$:()=>Wt,OM:()=>Fe,R7:()=>Vt,Sf:()=>Ut,TL:()=>$e,TR:()=>Gt,UT:()=>tt,WT:()=>st,Z9:()=>Dt,ZA:()=>Ue,ZW:()=>kt,_9:()=>qt,a2:()=>Qt,ah:()=>ve,bh:()=>V,dh:()=>Kt,eP:()=>Pe,fs:()=>xt,i6:()=>G,iU:()=>L,i_:()=>Ve,jw:()=>Ie,jz:()=>Ht,mC:()=>be,mq:()=>Nt,p6:()=>Tt,qb:()=>Ce,rZ:()=>$t,sE:()=>_e,wt:()=>Ft});var ue=g(270),O=g(5761),b=g(7442),D=g(2473),k=g(7234),s=g(6922),M=g(7598),x=g(8500),$=g(3849),Z=g(1692),U=g(8474),z=g(7030),q=250,S=2e3;function I(t,{sql:e}){const n=ee(t),r=[...n.map(he),c(n)];return["BEGIN ISOLATION LEVEL READ COMMITTED",b.kc,...r,e]}async function V(t,e,n){const r=ee(e),[,,...a]=await t.script(I(e,n)),o=(a[r.length]??[]).map(h=>h.key),i=n.answer(a[r.length+1]??[]),d=a[0]?.[0]?.pid===t.announcedPid,l=r.find(({key:h},_)=>!d||a[_]?.[0]?.taken!==!0||o.includes(h));if(l===void 0){const h=[...r.map(({key:R})=>`select pg_advisory_lock(${R})`),"COMMIT"],_=(0,D.Ki)(t.script(h));return{seen:i,lock:{session:t,seen:i,isHeld:()=>f(t,r,_)}}}const[,u]=await(0,D.bn)(t.query("ROLLBACK"),X(t,l.key));return{seen:i,obstacle:{name:l.name,holder:u}}}async function J(t,e,n,r,a,o){let i=e,d=q;for(;;){const{lock:l,obstacle:u}=await V(i,n,r);if(l!==void 0)return l;if(a.enter("the wait for the lock",()=>fe(u)),d===q){const h=`${W(u)};
${(0,ue.L6)(a)}`;o.step({sign:"attention",subject:"waiting",text:h})}await t.endAll(),await(0,x.setTimeout)(d*(.5+Math.random()),void 0,{signal:a.signal}).catch(()=>{}),d=Math.min(2*d,S),i=await t.asAdmin(t.home,{first:I(n,r)})}}function W({name:t,holder:e}){if(e===void 0)return`another run holds the lock for ${t}: it has just ended`;const n=`"${(0,s.TN)(e.name)}", since ${e.seconds??"?"} s`;return e.admins?`another run holds the lock for ${t}: ${n}`:`role "${(0,s.TN)(e.role)}", which is not the admin, holds the lock for ${t}: ${n}`}function fe(t){const{holder:e}=t,n=W(t).replace("holds","still holds"),r=`${(0,s.l2)(n)}.`;return e!==void 0&&!e.admins?new s.HR("lock-held",r,["Any role that may connect to a database of this server can take such a lock, and call itself as it likes.","If it is no run with another admin, end it. Whoever may act as that role, or a superuser, can run:",`  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${e.pid} AND usename = ${$.Ay.escapeLiteral(e.role)};`]):new s.HR("lock-held",r,[`Two runs for the same application take turns. Wait for that one, or give this one more time: ${(0,s.hF)("timeout")}.`,...(0,s.vg)().turns])}function ee({username:t,database:e}){return[{name:t,key:v("role",t)},{name:e,key:v("database",e)}]}function he({key:t}){return`select pg_try_advisory_xact_lock(${t}) as taken, pg_backend_pid() as pid`}function c(t){return`select ${E}::text as key from pg_locks
    where ${p} and ${E} in (${t.map(({key:e})=>e).join(", ")})
      and database <> (select oid from pg_database where datname = current_database())`}async function f(t,e,n){try{await n;const[r]=await t.query(`select count(distinct ${E})::int as held from pg_locks
       where ${p} and pid = pg_backend_pid() and ${E} = any ($1::bigint[])`,[e.map(({key:a})=>a)]);return r?.held===e.length}catch(r){if(r instanceof s.HR&&r.code==="tunnel-lost")return!1;throw r}}var p="locktype = 'advisory' and granted and objsubid = 1",E="((classid::bigint << 32) | objid::bigint)";function v(t,e){return(0,M.createHash)("sha256").update(`pg-app-user ${t} ${e}`).digest().readBigInt64BE().toString()}async function X(t,e){const[n]=await t.query(`select pid, a.application_name as name, coalesce(a.usename, '') as role,
       coalesce(a.usename = session_user, false) as admins,
       extract(epoch from clock_timestamp() - a.backend_start)::int as seconds
     from pg_locks l join pg_stat_activity a using (pid)
     where ${p} and ${E} = $1::bigint and pid <> pg_backend_pid()
     order by admins limit 1`,[e]);return n}var H=13e4;function G(t,e,{entry:n,keeper:r},a,o){if(t.announcedPid!==e.backendPid)throw(0,k.Wb)(`A connection pooler answers behind ${n}, not PostgreSQL itself.`);if(e.versionNumber<H)throw P(e);if(e.standby){const{label:h="",primary:_=[]}=r?.provider.role??{},R=h===""?"":`: a Service that selects it (${h}=${_[0]??""})`;throw new s.HR("target-is-standby",`${n} leads to a standby, which takes no changes.`,["A frequent cause is a switch of the primary at this very moment: run again in a minute.",`If the error remains, ask the administrator for what leads to the primary${R}.`])}const i=(0,b.ce)(t,e.admin.name);if(i!==void 0&&a.note(i),a.serverVersion!==void 0)return;a.serverVersion=e.version;const d=t.encryption??"no TLS",l=e.admin.superuser?"a superuser":"no superuser",u=`${e.version} \xB7 primary \xB7 ${d} \xB7 admin "${e.admin.name}", ${l}`;a.step("right","PostgreSQL",u,o),a.row({subject:"PostgreSQL",now:`${e.version}, primary, ${d}`})}function P({version:t}){return new s.HR("server-version-unsupported",`PostgreSQL ${t} is too old: 13 to 18 are supported.`,["Ask the administrator for an upgrade; the PostgreSQL project no longer maintains this version either."])}var T={protocol3:196608,cancel:80877102,tls:80877103,gss:80877104},Y=1e4,te=2e3,y={ok:0,cleartext:3,md5:5,sasl:10,challenge:11,final:12},K="SCRAM-SHA-256";function L(t,...e){const n=Buffer.concat(e.map(a=>typeof a=="string"?Buffer.from(a):a)),r=Buffer.alloc(5);return r.write(t,"latin1"),r.writeInt32BE(n.length+4,1),Buffer.concat([r,n])}function Q(t,e=""){return L("R",B(t),e)}function N(t,e){const n=e.replaceAll("\0"," ");return L("E",`SFATAL\0VFATAL\0C${t}\0M${n}\0\0`)}function ze(t){const e=[...t].flatMap(([r,a])=>[r,a]).map(r=>`${r}\0`),n=Buffer.from(`${e.join("")}\0`,"latin1");return Buffer.concat([B(n.length+8),B(T.protocol3),n])}function Te(t){const e=new Map;for(const n of t.toString("utf8").split("\0"))n!==""&&e.set(n.charAt(0),n.slice(1));return e}function B(t){const e=Buffer.alloc(4);return e.writeInt32BE(t),e}var et=class extends Error{},w=class extends Error{},Ae=class{#n;constructor(t){this.#n=t}async first(t){const e=(await this.#t(4)).readInt32BE();if(e<8||e>t)throw new w("invalid length of startup packet");return await this.#t(e-4)}async message(t){const e=await this.#t(5),n=e.readInt32BE(1);if(n<4||n>t)throw new w("invalid message length");const r=await this.#t(n-4);return{type:e.toString("latin1",0,1),body:r,raw:Buffer.concat([e,r])}}async#t(t){if(t===0)return Buffer.alloc(0);for(;;){const e=this.#n.read(t);if(e?.length===t)return e;if(e!==null||this.#n.readableEnded||this.#n.destroyed)throw new et;await this.#e()}}async#e(){const t=this.#n,{promise:e,resolve:n}=Promise.withResolvers(),r=["readable","end","close","error"],a=()=>{n(void 0)};for(const o of r)t.on(o,a);await e;for(const o of r)t.off(o,a)}},F=class extends Error{answer;said;constructor(t){super("the server refused the login"),this.answer=t,this.said=Te(t.subarray(5)).get("M")??""}},Re=64*1024;async function tt(t,e,n,r){return await t.inEachWay(e,async(a,o)=>{try{return await nt(await a(),t,e,n,r)}catch(i){if(!(i instanceof pe))throw i;if(o)throw i.refused;return}})}var pe=class extends Error{refused;constructor(t){super(t.message),this.refused=t}};async function nt(t,{server:e},n,r,a){const{tunnel:o,stream:i}=t;i.on("error",()=>{});try{return await(0,b.RN)(o,e.deadline,()=>rt(t,n,r,a))}catch(d){const l=o.errored;throw o.destroy(),e.deadline.signal.throwIfAborted(),d instanceof F||d instanceof pe||d instanceof s.HR?d:l instanceof s.HR?l:d instanceof w?new s.HR("login-unsupported",`PostgreSQL sent an unexpected message: ${d.message}.`,["Something other than PostgreSQL answers on this port. Ask the administrator where the Service leads."]):new s.HR("tunnel-lost","The connection to PostgreSQL was lost while logging in.",["A frequent cause is a Pod that is restarting. A new connection starts afresh."],{cause:l??d})}}async function rt(t,e,n,r){const{stream:a}=t,o=new Map([...n,["user",Le(e.user)],["database",Le(e.database)]]);a.write(ze(o));const i=new Ae(a),d=new b.Ht(e,a instanceof Z.TLSSocket?()=>(0,b.KG)(a):void 0),l=[];let u;for(let h=0;;){const _=await i.message(Re);if(h+=_.raw.length,h>Re)throw new w("too much before the session was ready");const{type:R,body:ye,raw:Oe}=_;if(R==="E")throw ot(_,e,d);if(R==="R"){const Xe=await at(d,ye);Xe!==void 0&&a.write(Xe)}else if(d.exchange===void 0){if(R!=="N")throw new w("a message before the login")}else if(l.push(Oe),R==="K"&&(u=ye.toString("hex")),R==="Z")break}if(d.exchange==="none"&&r==="refuse")throw(0,b.gm)(e);return{connection:t,greeting:Buffer.concat(l),key:u}}async function at(t,e){if(e.length<4)throw new w("an authentication message without a type");const n=e.subarray(4);switch(e.readInt32BE()){case y.ok:t.letIn();return;case y.cleartext:throw t.refuseCleartext();case y.md5:return L("p",`${t.respond(n)}\0`);case y.sasl:{const r=n.toString("latin1").split("\0").filter(i=>i!==""),{mechanism:a,message:o}=t.begin(r);return L("p",`${a}\0`,B(Buffer.byteLength(o)),o)}case y.challenge:{const r=await t.prove(n.toString("latin1"));return r===void 0?void 0:L("p",r)}case y.final:t.verify(n.toString("latin1"));return;default:throw new w("an unknown way to authenticate")}}function ot({body:t,raw:e},{user:n},r){const a=Te(t),o=a.get("C")??"XX000";if(o==="28P01"){const l=`pg-app-user: PostgreSQL refused the login of the command, "${n}" (28P01); it may have ended`;return new F(N("28P01",l))}if(o==="08P01"){const{message:l,hint:u}=(0,k.Wb)("A connection pooler refuses this connection (08P01)."),h=`${l} It said "${(0,s.TN)(a.get("M")??"")}". ${u.join(" ")}`;return new F(N("08P01",`pg-app-user: ${h}`))}const i=new F(e);return o==="28000"&&r.exchange===void 0&&!r.underWay?new pe(i):i}async function st(t,e,n){await t.inEachWay(e,async r=>(await it(await r(),t,n),!0))}async function it({stream:t,tunnel:e},{server:n},r){t.on("error",()=>{});try{await(0,b.RN)(e,n.deadline,async()=>{t.write(r),t.resume(),!t.destroyed&&!t.readableEnded&&await Promise.race([(0,U.once)(t,"end"),(0,U.once)(t,"close")])})}finally{e.destroy()}}function Le(t){return Buffer.from(t).toString("latin1")}var j=class extends Error{answer;constructor(t,e){super(e),this.answer=N(t,e)}};async function ct(t,e,n){try{const r=await dt(t,e);if(r.wants==="cancel")return r;const{parameters:a}=r;ut(a);const o=await ht(t,e,a,n);return ft(a,n),{wants:"session",parameters:a,proof:o}}catch(r){throw r instanceof w||r instanceof b.Td?new j("08P01",`pg-app-user: ${r.message}`):r}}async function dt(t,e){for(const n=new Set;;){const r=await e.first(Y),a=r.readInt32BE();if(a===T.cancel){if(r.length!==12)throw new w("invalid length of cancel request");return{wants:"cancel",packet:Buffer.concat([B(16),r])}}if(a===T.tls||a===T.gss){if(n.has(a))throw new w("encryption was refused already");n.add(a),t.write("N");continue}const[o,i]=[a>>16,a&65535];if(o!==3)throw new j("0A000",`pg-app-user: unsupported frontend protocol ${o}.${i}`);const d=lt(r.subarray(4)),l=[...d.keys()].filter(u=>u.startsWith("_pq_."));if(i>0||l.length>0){const u=l.map(h=>`${h}\0`).join("");t.write(L("v",B(T.protocol3),B(l.length),Buffer.from(u,"latin1")))}for(const u of l)d.delete(u);return{wants:"session",parameters:d}}}function lt(t){const e=t.toString("latin1").split("\0");if(e.pop()!==""||e.pop()!==""||e.length%2!==0)throw new w("invalid startup packet layout");const n=new Map;for(let r=0;r<e.length;r+=2){const[a="",o=""]=e.slice(r,r+2);if(a==="")throw new w("invalid startup packet layout");n.set(a,o)}return n}function ut(t){if((t.get("user")??"")==="")throw new j("28000","pg-app-user: no PostgreSQL user name specified in startup packet");const e=t.get("replication");if(e!==void 0&&!["false","off","no","0"].includes(e.toLowerCase()))throw new j("0A000","pg-app-user: replication connections are not carried")}function ft(t,{database:e}){const n=Se(t.get("database")??"");if(!(n===""||n===e))throw new j("42501",`pg-app-user: this connection is for database "${e}" alone, not "${n}"`)}async function ht(t,e,n,{user:r,keys:a}){const o=Se(n.get("user")??"");t.write(Q(y.sasl,`${K}\0\0`));const i=new b.MQ(a);t.write(Q(y.challenge,i.challenge(await pt(e))));const d=i.verify((await Ne(e)).toString("latin1"));if(d===void 0||!mt(o,r))throw new j("28P01",`pg-app-user: password authentication failed for user "${o}"`);return Q(y.final,d)}async function pt(t){const e=await Ne(t),n=e.indexOf(0);if(n===-1||e.length<n+5)throw new w("malformed first response of SASL");if(e.toString("latin1",0,n)!==K)throw new w(`the one mechanism here is ${K}`);const r=e.subarray(n+5);if(e.readInt32BE(n+1)!==r.length)throw new w("malformed first response of SASL");return r.toString("latin1")}async function Ne(t){const{type:e,body:n}=await t.message(te);if(e!=="p")throw new w("a response of SASL was expected");return n}function mt(t,e){const[n,r]=[Buffer.from(t),Buffer.from(e)];return n.length===r.length&&(0,M.timingSafeEqual)(n,r)}function Se(t){return Buffer.from(t,"latin1").toString("utf8")}var gt=class{#n=0;#t=0;#e=Buffer.alloc(0);read(t){for(let e=0;e<t.length;){if(this.#t>0){const r=Math.min(this.#t,t.length-e);this.#t-=r,e+=r;continue}if(this.#e.length===0&&t.length-e>=5){this.#n=t[e]??0,this.#t=t.readInt32BE(e+1)-4,e+=5;continue}const n=t.subarray(e,e+5-this.#e.length);this.#e=Buffer.concat([this.#e,n]),e+=n.length,!(this.#e.length<5)&&(this.#n=this.#e[0]??0,this.#t=this.#e.readInt32BE(1)-4,this.#e=Buffer.alloc(0))}}get mayAdd(){return this.#t===0&&this.#e.length===0&&this.#n!==69}};async function wt(t,{stream:e,tunnel:n}){const r=new gt,a=Promise.withResolvers();let o=!1;e.on("data",u=>{r.read(u),t.write(u)||e.pause()}),t.on("drain",()=>e.resume());const i=u=>{e.write(u)||t.pause()};t.on("data",i),e.on("drain",()=>t.resume());const d=()=>{o=!0,e.writableEnded||e.end()};t.once("end",d).once("close",d),e.once("end",()=>t.end());const l=()=>{const u=n.errored??e.errored,h=!o&&!e.readableEnded&&u instanceof s.HR?u:void 0;h!==void 0&&r.mayAdd?t.end(N("08006",`pg-app-user: ${h.message}`)):t.end(),n.destroy();const _=()=>{a.resolve(h)};t.destroyed?_():t.once("close",_),t.off("data",i).resume()};return e.destroyed?l():(e.once("close",l).resume(),t.resume()),await a.promise}var _t=256,me=100,bt=1e4,Et=511,ge={all:1e3,lingering:150},$t=class Ye{password=(0,M.randomBytes)(24).toString("hex");#n;#t;#e=new Set;#r=new Map;#a=new Set;#o=new Set;#i=0;#s=0;constructor(e){this.#n=e,this.#t=(0,z.createServer)({pauseOnConnect:!0,noDelay:!0})}static async open(e,n){const r=new Ye(n),a={...e,keys:await(0,b.jx)(r.password)},o=r.#t;return o.on("connection",i=>{r.#c(i,a)}),o.listen({host:"127.0.0.1",port:0,backlog:Et,exclusive:!0}),await(0,U.once)(o,"listening"),o.on("error",()=>{}),r}get port(){return this.#t.address().port}get counts(){return{connections:this.#i,turnedAway:this.#s}}async close(){this.#t.close();for(const o of this.#e)o.destroy();const e=Promise.all(this.#r.values()),n=new AbortController,{signal:r}=n,a=async o=>{await(0,x.setTimeout)(o,void 0,{signal:r}).catch(()=>{})};await Promise.race([e,a(ge.lingering)]);for(const o of this.#r.keys())o.readableEnded||o.destroy();await Promise.race([e,a(ge.all-ge.lingering)]);for(const o of[...this.#r.keys(),...this.#a])o.destroy();n.abort()}async#c(e,n){e.on("error",()=>{});const[r]=this.#e;this.#e.size>=_t&&r?.destroy(),this.#e.add(e);const a=setTimeout(()=>e.destroy(),bt),o=()=>{clearTimeout(a),this.#e.delete(e)};e.once("close",o);try{const i=await ct(e,new Ae(e),n);if(e.destroyed)return;o(),await this.#d(e,i)}catch(i){i instanceof j?(this.#s+=1,e.end(i.answer)):e.destroy()}finally{this.#r.has(e)||e.resume()}}async#d(e,n){if(n.wants==="cancel"){this.#o.has(n.packet.toString("hex",8))?await this.#n.cancel(n.packet).catch(()=>{}):this.#s+=1,e.destroy();return}if(this.#r.size>=me){const a=`pg-app-user: too many connections of the command: ${me} are open`;e.end(Buffer.concat([n.proof,N("53300",a)]));return}const r=this.#l(e,n.parameters,n.proof);this.#r.set(e,r),await r,this.#r.delete(e)}async#l(e,n,r){this.#i+=1;const a=Q(y.ok);let o;try{o=await this.#n.open(n)}catch(h){const _=h instanceof F?h.answer:N("08006",`pg-app-user: ${vt(h)}`);e.end(Buffer.concat([r,a,_]));return}const{connection:i,greeting:d,key:l}=o;if(e.destroyed){i.stream.end();return}l!==void 0&&this.#o.add(l),e.write(Buffer.concat([r,a,d])),this.#a.add(i.tunnel);const u=await wt(e,i);this.#a.delete(i.tunnel),l!==void 0&&this.#o.delete(l),u!==void 0&&this.#n.lost(u)}};function vt(t){return t instanceof s.HR?t.message:"PostgreSQL could not be reached."}var we=$.Ay.escapeIdentifier,ne={before:[],after:[]};function Ie(t,e){return ke(Ce(t,e),Ee(e.username))}function Ce({membership:t,versionNumber:e},{username:n}){if(t.settable)return ne;if(t.grantable)return Me(n,"SET",t.own,e)}function yt({membership:t,versionNumber:e},{username:n}){if(t.inherits)return ne;if(!(!t.grantable||!t.inheritable))return Me(n,"INHERIT",t.own,e)}function _e(t,e){const{database:n,admin:r,membership:a}=t;return n===void 0||n.owner===r.name||n.adminOwns?ne:n.owner===e.username?a.inherits?ne:Ie(t,e):n.adminActsAsOwner?Ee(n.owner):void 0}function Ot(t,e){const n=_e(t,e);return t.versionNumber<16e4?ke(n,Ee("pg_database_owner")):n}function be({before:t,after:e},n){return n.length===0?[]:[...t,...n,...e]}function Ee(t){return{before:[`SET LOCAL ROLE ${we(t)}`],after:["RESET ROLE"]}}function ke(t,e){return t&&{before:[...t.before,...e.before],after:[...e.after,...t.after]}}function Me(t,e,n,r){const a=r>=16e4,o=a&&n?`${e} OPTION FOR `:"";return{before:[`GRANT ${we(t)} TO CURRENT_USER${a?` WITH ${e} TRUE`:""}`],after:[`REVOKE ${o}${we(t)} FROM CURRENT_USER`]}}var A=$.Ay.escapeIdentifier,Pe=6e5,Tt=18e4,At=5,Rt=100;async function Lt(t,e,n,r,a,o){const i=(0,M.randomBytes)(24).toString("hex");a(i);const d=await(0,b.v0)(i);a(d);const l=Ct(n.username),u=A(l),h=A(n.database),_=`GRANT CONNECT ON DATABASE ${h} TO ${u}`,R=[...e.versionNumber>=14e4?["client_connection_check_interval = 500"]:[],...r===void 0?[]:[`lock_timeout = ${r}`]];if((await t.script(["BEGIN","SET LOCAL client_min_messages = error",`CREATE ROLE ${u} LOGIN NOINHERIT CONNECTION LIMIT ${me} PASSWORD ${$.Ay.escapeLiteral(d)}`,Be(l),`COMMENT ON ROLE ${u} IS ${$.Ay.escapeLiteral(O.pn)}`,`GRANT ${A(n.username)} TO ${u}`,...be(_e(e,n)??{before:[],after:[]},[_]),...R.map(Oe=>`ALTER ROLE ${u} SET ${Oe}`),`select has_database_privilege(${(0,O.eu)(l)}, ${(0,O.eu)(n.database)}, 'CONNECT') as connects`])).at(-1)?.[0]?.connects!==!0)throw await t.script(["ROLLBACK"]),new s.HR("connect-denied",`The login of the command cannot connect to database "${n.database}": the admin may not grant CONNECT on it.`,["Its owner can let the admin do that:",`  GRANT CONNECT ON DATABASE ${h} TO ${A(n.admin)} WITH GRANT OPTION;`]);return o.add(l),await t.script(["COMMIT"]),{name:l,password:i}}async function Nt(t,{name:e}){await re(()=>t.script([Be(e)]))}function Be(t){const e=`format('ALTER ROLE %I VALID UNTIL %L', ${$.Ay.escapeLiteral(t)}, now() + interval '${Pe/1e3} seconds')`;return`DO ${$.Ay.escapeLiteral(`BEGIN EXECUTE ${e}; END`)}`}async function je(t,e,n){const[r]=await e.query(St(n)),a=(0,O.L4)(r===void 0?[]:[r]);if(a!==null){if(a.sessions>0){const o=`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${(0,O.eu)(n)}`;await re(()=>e.script(xe(n,a.options,[o])))}try{await De(e,n,a)}catch(o){if((0,b.cn)(o)!=="2BP01"||a.role===null)throw o;for(const i of a.touched){const d=await t.asAdmin(i);await re(()=>d.script(It(n,a.role??"",a.options))),await t.end(d)}await De(e,n,a)}}}var St=t=>`
  select (
    select json_build_object(
      'role', (
        select min(g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid
      ),
      'databases', array(
        select json_build_object('name', d.datname, 'owner', o.rolname,
          'acts', not pg_has_role(d.datdba, 'USAGE') and pg_has_role(d.datdba, case when options then 'SET' else 'MEMBER' end))
        from pg_database d join pg_roles o on o.oid = d.datdba
        where exists (select from aclexplode(d.datacl) a where a.grantee = r.oid)
      ),
      'touched', array(
        select distinct d.datname from pg_shdepend s join pg_database d on d.oid = s.dbid
        where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid order by 1
      ),
      'sessions', (select count(*) from pg_stat_activity where usesysid = r.oid),
      'options', options
    )
    from pg_roles r, (select current_setting('server_version_num')::int >= 160000 as options) version
    where r.rolname = ${(0,O.eu)(t)} and shobj_description(r.oid, 'pg_authid') = ${(0,O.eu)(O.pn)}
  ) as state`;async function De(t,e,{databases:n}){const r=n.flatMap(({name:a,owner:o,acts:i})=>be(i?{before:[`SET LOCAL ROLE ${A(o)}`],after:["RESET ROLE"]}:{before:[],after:[]},[`REVOKE ALL ON DATABASE ${A(a)} FROM ${A(e)}`]));await re(()=>t.script([...r,`DROP ROLE ${A(e)}`]))}function It(t,e,n){const[r,a]=[A(t),A(e)];return["SET LOCAL lock_timeout = '2s'",`ALTER ROLE ${r} INHERIT`,...n?[`GRANT ${a} TO ${r} WITH INHERIT TRUE`]:[],...xe(t,n,[`REASSIGN OWNED BY ${r} TO ${a}`,`DROP OWNED BY ${r}`])]}function xe(t,e,n){const r=A(t);return[`GRANT ${r} TO CURRENT_USER${e?" WITH SET TRUE":""}`,`SET LOCAL ROLE ${r}`,...n,"RESET ROLE",`REVOKE ${r} FROM CURRENT_USER`]}async function re(t){for(let e=1;;e++)try{return await t()}catch(n){if((0,k.Xt)(n)?.kind!=="race"||e===At)throw n;await(0,x.setTimeout)(Rt*e*(.5+Math.random()))}}function Ct(t){return`${t.replace(/[^\w-]+/g,"").slice(0,40)}_exec_${(0,M.randomBytes)(4).toString("hex")}`}async function kt({sessions:t,journal:e},n,r){const a=await Mt(t,n,r);a.length>0&&e.note(`dropped ${(0,s.U9)(a.length,"login")} that an earlier run had left behind: ${a.join(", ")}`)}async function Mt(t,e,n){const r=[];for(const a of n)try{await je(t,e,a),r.push(a)}catch(o){if((0,b.cn)(o)===void 0)break}return r}var m=$.Ay.escapeIdentifier,ae=$.Ay.escapeLiteral,oe="not there",Ue=":APP_PASSWORD",Pt={"secret-gone":{found:"the Secret holds no password for it",done:"given a new password"},literal:{found:`its password was the text ${Ue} that the old manual procedure sets by mistake, and which is public`,done:"set to the Secret's"},adopted:{found:"it was not ours",done:"adopted, its password set"},drift:{found:"its password was not the one in the Secret",done:"set to the Secret's"}};function se({username:t},e){return e===void 0?[]:[`COMMENT ON ROLE ${m(t)} IS ${ae((0,O.jw)(e))}`]}var ie=t=>(e,{username:n})=>({object:"role",name:n,action:t}),ce=(t,{database:e})=>({object:"grants",name:e,action:"granted"}),We=t=>({stage:"secret",effect:(e,n)=>({object:t,name:n[t]??"",action:"created"}),words:({keys:e},n)=>({found:oe,would:"created",line:`${n[t]??""} created, ${(0,s.U9)(e.length,"key")}`,done:"created"}),sql:()=>[]}),He=t=>({stage:"secret",effect:(e,n)=>({object:t,name:n[t]??"",action:"repaired"}),words:({keys:e},n)=>({found:`${(0,s.em)(e)} missing or outdated`,would:"written",line:`${n[t]??""}: ${(0,s.em)(e)} written, other keys kept`,done:"written"}),sql:()=>[]}),Bt={"create-role":{stage:"role",effect:ie("created"),words:({again:t},{username:e})=>({found:t?"it was gone":oe,would:"created",line:`${e} created, SCRAM-SHA-256 verifier, no dangerous attribute${t?"; it was gone, and got the Secret's password again":""}`,done:"created"}),sql:({comment:t},e,n)=>[`CREATE ROLE ${m(e.username)} LOGIN PASSWORD ${ae(n)}`,...se(e,t)]},"note-database":{stage:"note",effect:ie("noted"),words:(t,{username:e,database:n})=>({found:"nothing says that a database is made for it",would:"given a note",line:`${e} is there: noted that database ${n} is made for it`,done:"given a note"}),sql:({comment:t},e)=>se(e,t)},"create-database":{stage:"database",effect:(t,{database:e})=>({object:"database",name:e,action:"created"}),words:({owner:t,again:e},{database:n})=>({found:e?"it was gone":oe,would:"created",line:`${n} created, owner ${t}`,done:e?"created, and it is empty":"created"}),sql:(t,{database:e})=>[`CREATE DATABASE ${m(e)}`]},"create-extension":{stage:"extensions",effect:({extension:t})=>({object:"extension",name:t,action:"created"}),words:({extension:t})=>({found:oe,would:"created in schema public",line:`${t} created in schema public`,done:"created"}),sql:({extension:t})=>[`CREATE EXTENSION IF NOT EXISTS ${m(t)} SCHEMA public`]},"grant-database":{stage:"grants",effect:ce,words:(t,{username:e})=>({found:`all on the database for ${e} is missing`,would:"granted",line:`${e}: all on the database`,done:`${e}: all on the database`}),sql:(t,{database:e,username:n})=>[`GRANT ALL ON DATABASE ${m(e)} TO ${m(n)}`]},"grant-connect":{stage:"grants",effect:ce,words:({roles:t})=>({found:`CONNECT for ${(0,s.em)(t)} is missing`,would:"granted",line:`${(0,s.em)(t)}: CONNECT`,done:`${(0,s.em)(t)}: CONNECT`}),sql:({roles:t},{database:e})=>[`GRANT CONNECT ON DATABASE ${m(e)} TO ${t.map(m).join(", ")}`]},"revoke-public":{stage:"grants",effect:ce,words:({privileges:t})=>({found:`${(0,s.em)(t)} ${t.length===1?"is":"are"} open to PUBLIC`,would:"taken away",line:`PUBLIC: ${(0,s.em)(t)} taken away`,done:`PUBLIC: ${(0,s.em)(t)} taken away`}),sql:(t,{database:e})=>[`REVOKE CONNECT, TEMPORARY ON DATABASE ${m(e)} FROM PUBLIC`]},"set-owner":{stage:"grants",effect:(t,{database:e})=>({object:"database",name:e,action:"owner-changed"}),words:({from:t,to:e})=>({found:`owner ${t}`,would:`given to ${e}`,line:`owner changed to ${e}`,done:`given to ${e}`}),sql:({to:t,toApplication:e},{database:n,username:r,admin:a})=>[`ALTER DATABASE ${m(n)} OWNER TO ${m(t)}`,e?`GRANT CONNECT ON DATABASE ${m(n)} TO ${m(a)}`:`GRANT ALL ON DATABASE ${m(n)} TO ${m(r)}`]},"grant-schema":{stage:"schema",effect:ce,words:(t,{username:e})=>({found:`USAGE and CREATE on schema public for ${e} are missing`,would:"granted",line:`${e}: USAGE and CREATE on schema public`,done:`${e}: USAGE and CREATE on schema public`}),sql:(t,{username:e})=>[`GRANT USAGE, CREATE ON SCHEMA public TO ${m(e)}`]},"set-setting":{stage:"settings",effect:({name:t})=>({object:"setting",name:t,action:"set"}),words:({name:t,value:e,from:n},{username:r,database:a})=>({found:n??"not set",would:`set to ${e}`,line:`${t} = ${e} for ${r} in ${a}`,done:`set to ${e}`}),sql:({name:t,value:e},{username:n,database:r})=>[`ALTER ROLE ${m(n)} IN DATABASE ${m(r)} SET ${t} = ${ae(e)}`]},"set-password":{stage:"password",effect:ie("password-set"),words:({reason:t},{username:e})=>{const{found:n,done:r}=Pt[t];return{found:n,would:r,line:`${e} is there, ${n}: ${r}`,done:r}},sql:({comment:t},e,n)=>[`ALTER ROLE ${m(e.username)} PASSWORD ${ae(n)}`,...se(e,t)]},"mark-role":{stage:"password",effect:ie("marked"),words:(t,{username:e,secret:n})=>({found:"nothing says whose it is",would:"marked as ours",line:`${e} is there and its login works: marked as belonging to ${n}`,done:"marked as ours"}),sql:({comment:t},e)=>se(e,t)},"create-secret":We("secret"),"repair-secret":He("secret"),"create-binding":We("binding"),"repair-binding":He("binding")};function de(t){return Bt[t.kind]}function Ge(t,e){return de(t).effect(t,e)}function jt(t,e){return t.map(n=>({change:n,effect:Ge(n,e)}))}function Dt(t,e){return de(t).words(t,e)}function Ke(t,e,n=""){return de(t).sql(t,e,n)}function xt(t,e){return e.filter(n=>de(n).stage===t)}var C=$.Ay.escapeIdentifier;function Qe(t,e){return t.flatMap(n=>Ke(n,e)).map(n=>`${n};`)}function $e(t){return`"${t}"`}function Ut(t,e){const n=`choose another ${(0,s.KT)("app-username")} and ${(0,s.KT)("app-database")}.`,r=Fe(t,e);return new s.HR("role-claimed",`Role "${e.username}" belongs to ${t.secret}.`,[`This run would publish it as ${e.secret}, and each of the two would break the other's login.`,...r===void 0?[`A frequent cause is the same names deployed from a second namespace: ${n}`]:[`If this is the same application: set ${r}. If it is another one: ${n}`],"If the application moved, let the administrator run:",`  COMMENT ON ROLE ${C(e.username)} IS NULL;`,`and set ${(0,s.Pe)("existing","adopt")} in the new place.`])}function Fe(t,e){const[n,r=""]=t.secret.split("/");return n===e.secret.split("/")[0]?(0,s.Pe)("app-secret",r):void 0}function Wt(t){return new s.HR("role-claimed",`Role "${t.username}" belongs to an application that is not known: its comment cannot be read.`,["The comment names pg-app-user, and was written by another version or changed by hand. No input takes such a role over.","The comment may still name the application. To look at it:",qe(t.username),"If that is no other application, let the administrator run:",`  COMMENT ON ROLE ${C(t.username)} IS NULL;`,`and set ${(0,s.Pe)("existing","adopt")} here for one run.`])}function qe(t){return`  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ${$.Ay.escapeLiteral(t)};`}function Ht(t,e){const n=t.map(({role:o})=>o),r=t.filter(({secret:o})=>o===void 0).map(({role:o})=>o),a=t.map(({role:o,secret:i})=>i??`the application of role "${o}"`);return new s.HR("database-claimed",`Database "${e.database}" belongs to ${(0,s.em)(a)}.`,[`The ${(0,s.jN)("comment",n.length)} of ${(0,s.jN)("role",n.length)} ${(0,s.em)(n.map($e))} ${n.length===1?"says":"say"} so. No input takes the database over: choose another ${(0,s.KT)("app-database")}.`,...r.length===0?[]:[`The ${(0,s.jN)("comment",r.length)} of ${(0,s.jN)("role",r.length)} ${(0,s.em)(r.map($e))} cannot be read: ${r.length===1?"it was":"they were"} written by another version or changed by hand. To look at it:`,...r.map(qe)],"If it was given up there for good, let the administrator run:",...n.map(o=>`  COMMENT ON ROLE ${C(o)} IS NULL;`),`and set ${(0,s.Pe)("existing","adopt")} here.`])}function Gt(t,{secret:{kind:e},secretHasPassword:n},r){const o=n?"the password of that Secret does not log in":`that Secret ${e==="create"?"does not exist":"has no key PGPASSWORD"}`,i=t.sessions===1?"1 session is open":`${(0,s.U9)(t.sessions,"session").replace(/^0/,"no")} are open`;return new s.HR("role-not-ours",`Role "${r.username}" exists, and nothing says that it belongs to ${r.secret}.`,[`It has no pg-app-user comment, ${o}, and ${i} as "${r.username}" now.`,`If it is yours, for example made by hand before: set ${(0,s.Pe)("existing","adopt")}. It gets ${n?"the Secret's":"a new"} password,`,"and whatever still uses the old one stops working.",`If it belongs to another application: choose another ${(0,s.KT)("app-username")}.`])}function Kt(t,e){return new s.HR("role-cannot-login",t.canLogin?`The password of role "${e.username}" has expired (VALID UNTIL is past).`:`Role "${e.username}" may not log in (NOLOGIN).`,["It was locked, most likely on purpose, so this tool does not unlock it. Ask the administrator, who can run:",t.canLogin?`  ALTER ROLE ${C(e.username)} VALID UNTIL 'infinity';`:`  ALTER ROLE ${C(e.username)} LOGIN;`])}function Qt(t,{username:e,database:n}){const r=t==="role"?e:n;return new s.HR("connection-limit",`PostgreSQL has no connection left for "${e}": the CONNECTION LIMIT of ${t} "${r}" is reached.`,["The role needs another password, which could not be proven now; the one that it has stays until then.",`Close sessions, or let the administrator raise the limit (ALTER ${t.toUpperCase()} \u2026 CONNECTION LIMIT).`])}function Ft(t,e){return new s.HR("role-privileged",`Role "${e.username}" is more than an application role: ${t.join(", ")}.`,["Whoever held its password could do far more than use one database, so this tool never takes such a role over.",`Choose another ${(0,s.KT)("app-username")}, or let the administrator take those attributes and memberships away.`])}function qt(t,e){const{admin:n,role:r}=t;return n.createRole?Je(`The admin "${n.name}" may not change role "${e.username}": it has no ADMIN OPTION on it.`,r,t,e):ve(t,"CREATEROLE",e)}function Ve(t,e){const{admin:n,role:r,versionNumber:a}=t;return a<16e4&&!n.createRole?ve(t,"CREATEROLE",e):Je(`The admin "${n.name}" may not act as role "${e.username}": it has no ADMIN OPTION on it.`,r,t,e)}function Je(t,e,{admin:n},r){const a=e?.marker?.secret===r.secret;return new s.HR("admin-option-missing",t,["From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.",...a?["Its comment says that this tool made or adopted it. Frequent causes of the missing ADMIN OPTION are an upgrade from PostgreSQL 15 or older, which did not need it,",`another admin in the access Secret, or an operator that looks after memberships: with CloudNativePG, list "${r.username}" under inRoles of the managed role "${n.name}".`]:["The creator of a role gets it; another admin or a superuser created this one."],"A superuser can run:",`  GRANT ${C(r.username)} TO ${C(n.name)} WITH ADMIN OPTION;`])}function Vt(t,e,n){const{admin:r,membership:a}=t;return a.grantable?new s.HR("admin-rights-missing",`The admin "${r.name}" is NOINHERIT, so it cannot take database "${e.database}" over from "${e.username}".`,["Before PostgreSQL 16, such a role does not inherit the rights of its memberships. A superuser can run:",...Qe(n,e).map(o=>`  ${o}`),`Or leave the owner as it is: ${(0,s.Pe)("database-owner","app")}.`]):Ve(t,e)}function ve({admin:t},e,{admission:n}){return new s.HR("admin-rights-missing",`The admin "${t.name}" has no ${e}, so it cannot create ${e==="CREATEROLE"?"or change a role":"a database or change its owner"}.`,[...t.actsAs===null?[]:[`It is set to act as "${t.actsAs}" (ALTER ROLE \u2026 SET role). This run does not act as that role, so the rights of that role do not count.`],...n?.madeAdmin===!0?[`${n.provider} creates logins without it, unless its resource asks for it. Add to that resource:`]:["Check that the access Secret is the one of the database admin. If it is, a superuser can run:",`  ALTER ROLE ${C(t.name)} ${e};`],...n===void 0||n.madeAdmin?[]:[`If ${n.provider} manages that role, add to its resource instead:`],...(n?.resource??[]).map(r=>`  ${r}`)])}}),5761:((Ze,le,g)=>{g.d(le,{JS:()=>ee,L4:()=>V,YO:()=>I,eu:()=>S,jw:()=>M,pn:()=>k});var ue=g(7285),O=g(6922),b=g(3849),D="pg-app-user",k="pg-app-user exec: a login for one command. It ends by itself, and a later run drops it.",s=/["'`{\p{Pi}\p{Pf}]\s*pg-app-user/iu;function M({marker:c,note:f,kept:p}){const E=c&&{secret:c.secret,database:c.database,createdDatabase:c.createdDatabase},v=f&&{creating:{secret:f.secret,database:f.database}};return JSON.stringify({[D]:1,...E,...v,...p})}function x(c){if(c===null)return{marker:void 0,note:void 0,kept:{}};const f=z(c);if(!q(f)||!Object.hasOwn(f,D))return s.test(U(c))?"unreadable":{marker:void 0,note:void 0,kept:{comment:c}};const{[D]:p,secret:E,database:v,createdDatabase:X,creating:H,...G}=f,P=Z(f),T=Z(H);return p===1&&(P!==void 0||E===void 0&&v===void 0&&T!==void 0)&&(T!==void 0||H===void 0)?{marker:P&&{...P,createdDatabase:X===!0},note:T,kept:G}:"unreadable"}function $(c,f){const p=E=>E.replaceAll("\\","").replace(/['`\p{Pi}\p{Pf}]/gu,'"');return p(U(c)).includes(p(JSON.stringify(f)))}function Z(c){if(!q(c))return;const{secret:f,database:p}=c;return typeof f=="string"&&typeof p=="string"?{secret:f,database:p}:void 0}function U(c){const f=z(c);return f===void 0?c:JSON.stringify(f)}function z(c){try{return JSON.parse(c)}catch{return}}function q(c){return typeof c=="object"&&c!==null&&!Array.isArray(c)}function S(c){return`${b.Ay.escapeLiteral(c)}::text`}function I(c){return`array[${c.map(S).join(", ")}]::text[]`}function V([c]){if(c===void 0)throw new Error("a select without a from gives one row");return c.state}var J=(c,f)=>`(
      select case when value::boolean then level end from (
        select value, level from setting
        where (setrole = 0 or setrole = ${c}) and (setdatabase = 0 or setdatabase = ${f})
        order by array_position(array['both', 'role', 'database', 'all', 'server'], level) limit 1
      ) closest
    )`,W=100,fe=(c,f,p,E,v)=>`
with recursive
  app as (select r.*, r.oid as id from pg_roles r where r.rolname = ${c}),
  me as (
    select r.*, r.oid as id, current_setting('server_version_num')::int >= 160000 as options,
      case when r.rolsuper then '' else coalesce(current_setting('createrole_self_grant', true), '') end as self_grant
    from pg_roles r where r.rolname = current_user
  ),
  db as (
    select d.oid as id, d.datdba, o.rolname as owner, coalesce(d.datacl, acldefault('d', d.datdba)) as acl,
      d.datallowconn and d.datconnlimit <> -2 as open
    from pg_database d join pg_roles o on o.oid = d.datdba where d.datname = ${f}
    union all
    select null, oid, rolname, acldefault('d', oid), true from pg_roles
    where rolname = current_user and not exists (select from pg_database where datname = ${f})
  ),
  setting as (
    select setrole, setdatabase, substring(c from '=(.*)') as value, case
      when setrole <> 0 and setdatabase <> 0 then 'both' when setrole <> 0 then 'role' when setdatabase <> 0 then 'database'
      else 'all' end as level
    from pg_db_role_setting, unnest(setconfig) c where starts_with(c, 'default_transaction_read_only=')
    union all
    select 0, 0, setting, 'server' from pg_settings
    where name = 'default_transaction_read_only'
      and source not in ('global', 'database', 'user', 'database user', 'client', 'session')
  ),
  privilege as (
    select a.grantee, a.privilege_type as kind from db, aclexplode(db.acl) a
  ),
  client as (
    select datid, usesysid from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
    where backend_type = 'client backend' or backend_type is null and not r.rolsuper
  ),
  above(id) as (
    select m.roleid from pg_auth_members m join app on m.member = app.id
    union
    select m.roleid from pg_auth_members m join above on m.member = above.id
  ),
  watcher(id) as (
    select oid from pg_roles where rolname in ('pg_monitor', 'pg_read_all_data')
    union
    select m.member from pg_auth_members m join watcher on m.roleid = watcher.id
  ),
  watching as (
    select r.oid as id from pg_roles r join watcher on watcher.id = r.oid where r.rolcanlogin limit ${W+1}
  ),
  keeper as (
    select r.oid as id, r.rolname as name, r.rolname = any (${p}) as asked
    from pg_roles r
    where r.rolname <> ${c} and not r.rolsuper
      and (r.rolname = current_user or r.rolname = any (${p})
           or r.oid in (select id from watching) and (select count(*) from watching) <= ${W})
    union all
    select oid, rolname, false from pg_roles
    where rolname in ('pg_monitor', 'pg_read_all_data') and rolname <> all (${p})
      and (select count(*) from watching) > ${W}
  ),
  pooler as (
    select oid as id, rolname as name from pg_roles
    where rolname = any (${E}) and rolcanlogin and not rolsuper and rolname <> ${c}
      and oid not in (select id from keeper)
  )
select json_build_object(
  'version', split_part(current_setting('server_version'), ' ', 1),
  'versionNumber', current_setting('server_version_num')::int,
  'standby', pg_is_in_recovery(),
  'backendPid', pg_backend_pid(),
  'admin', (
    select json_build_object('name', rolname, 'superuser', rolsuper,
      'createRole', rolcreaterole or rolsuper, 'createDatabase', rolcreatedb or rolsuper,
      'actsAs', (select min(substring(c from '^role=(.*)')) from pg_db_role_setting s, unnest(s.setconfig) c
                 where s.setrole = pg_roles.oid and c like 'role=%' and c <> 'role=none'))
    from pg_roles where rolname = current_user
  ),
  'role', (
    select json_build_object(
      'canLogin', rolcanlogin,
      'expired', coalesce(rolvaliduntil <= now(), false),
      'dangers', array_remove(array[
        case when rolsuper then 'SUPERUSER' end,
        case when rolcreaterole then 'CREATEROLE' end,
        case when rolcreatedb then 'CREATEDB' end,
        case when rolreplication then 'REPLICATION' end,
        case when rolbypassrls then 'BYPASSRLS' end,
        case when rolname = current_user then 'the admin itself' end
      ], null) || array(
        select 'member of ' || g.rolname from pg_roles g join above on above.id = g.oid
        where g.rolname ~ '^pg_' or g.rolsuper or g.rolcreaterole or g.rolcreatedb or g.rolreplication
          or g.rolbypassrls
        order by 1
      ),
      'members', array(
        select distinct g.rolname from pg_auth_members m join pg_roles g on g.oid = m.member
        where m.roleid = app.id and g.rolname <> current_user
          and shobj_description(g.oid, 'pg_authid') is distinct from ${S(k)}
          and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean or (to_jsonb(m) ->> 'set_option')::boolean, true)
        order by 1
      ),
      'alterable', (
        select rolsuper or rolcreaterole and (not options or pg_has_role(id, app.id, 'MEMBER WITH ADMIN OPTION')) from me
      ),
      'adminOption', pg_has_role(app.id, 'MEMBER WITH ADMIN OPTION'),
      'comment', shobj_description(app.id, 'pg_authid'),
      'settings', (
        select coalesce(json_object_agg(name, value), '{}') from (
          select distinct on (name) split_part(c, '=', 1) as name, substring(c from '=(.*)') as value
          from pg_db_role_setting, unnest(setconfig) c
          where setrole = app.id and (setdatabase = 0 or setdatabase = (select id from db))
            and split_part(c, '=', 1) = any (${I(Object.keys(ue.WI))})
          order by name, setdatabase desc
        ) own
      ),
      'sessions', (select count(*) from pg_stat_activity where usesysid = app.id),
      'full', case
        when rolsuper then null
        when rolconnlimit between 0 and (select count(*) from client where usesysid = app.id) then 'role'
        when (select datconnlimit from pg_database where oid = (select id from db)) between 0 and (
          select count(*) from client where datid = (select id from db)
        ) then 'database'
      end
    ) from app
  ),
  'membership', (
    select json_build_object(
      'inherits', coalesce(pg_has_role(app.id, 'USAGE'), rolsuper or self_grant ~* '\\minherit\\M'),
      'settable', coalesce(
        pg_has_role(app.id, case when options then 'SET' else 'MEMBER' end), rolsuper or self_grant ~* '\\mset\\M'
      ),
      'grantable', rolsuper or not options and rolcreaterole and app.super is not true or options and app.id is null
        or exists (
          select from pg_auth_members m where m.roleid = app.id and m.admin_option and pg_has_role(m.member, 'USAGE')
        ),
      'inheritable', options or rolinherit,
      'own', case when app.id is null then self_grant <> '' else exists (
        select from pg_auth_members m
        where m.roleid = app.id and m.member = me.id and pg_has_role(m.grantor, 'USAGE')
      ) end
    ) from me left join (select id, rolsuper as super from app) app on true
  ),
  'database', (
    select json_build_object(
      'owner', owner,
      'adminOwns', pg_has_role(datdba, 'USAGE'),
      'adminActsAsOwner', pg_has_role(datdba, (select case when options then 'SET' else 'MEMBER' end from me)),
      'adminCreates', id is null or has_database_privilege(id, 'CREATE'),
      'there', id is not null,
      'acceptsConnections', open,
      'publicConnects', exists (select from privilege where grantee = 0 and kind = 'CONNECT'),
      'publicTemporary', exists (select from privilege where grantee = 0 and kind = 'TEMPORARY'),
      'granted', (
        select count(distinct kind) = 3 from privilege, app
        where grantee <> 0 and kind in ('CONNECT', 'CREATE', 'TEMPORARY') and pg_has_role(app.id, grantee, 'USAGE')
      ),
      'grantedOrPublic', coalesce((
        select has_database_privilege(app.id, db.id, 'CONNECT') and has_database_privilege(app.id, db.id, 'CREATE')
          and has_database_privilege(app.id, db.id, 'TEMPORARY') from app
      ), false),
      'withoutConnect', array(
        select name from keeper where not exists (
          select from privilege where grantee <> 0 and kind = 'CONNECT' and pg_has_role(keeper.id, grantee, 'USAGE')
        ) order by 1
      ),
      'shutOut', array(
        select name from keeper where asked and not has_database_privilege(keeper.id, db.id, 'CONNECT') order by 1
      ),
      'poolers', array(
        select name from pooler where not exists (
          select from privilege where grantee <> 0 and kind = 'CONNECT' and pg_has_role(pooler.id, grantee, 'USAGE')
        ) order by 1
      ),
      'otherEncoding', (
        select name from (
          select pg_encoding_to_char(encoding) as name from pg_database
          where oid = db.id or db.id is null and datname = 'template1'
        ) e where name <> getdatabaseencoding() and 'SQL_ASCII' not in (name, getdatabaseencoding())
      )
    ) from db
  ),
  'homeEncoding', case when getdatabaseencoding() not in ('UTF8', 'SQL_ASCII') then getdatabaseencoding() end,
  'readOnly', json_build_object(
    'admin', ${J("(select id from me)","(select oid from pg_database where datname = current_database())")},
    'inside', ${J("(select id from me)","(select id from db)")},
    'application', ${J("(select id from app)","(select id from db)")}
  ),
  'claims', array(
    select json_build_object('role', r.rolname, 'comment', c.description, 'holds', r.rolname <> current_user
      and r.oid in (select grantee from privilege where kind = 'CREATE' union select datdba from db))
    from pg_shdescription c join pg_roles r on r.oid = c.objoid
    where c.classoid = 'pg_authid'::regclass and r.rolname <> ${c}
      and (c.description ~* 'pg-app-user' or strpos(c.description, ${S("\\u")}) > 0)
    order by r.rolname
  ),
  'leftovers', array(
    select r.rolname from pg_roles r join pg_shdescription c on c.objoid = r.oid and c.classoid = 'pg_authid'::regclass, me
    where c.description = ${S(k)} and r.rolvaliduntil < now() - interval '10 minutes'
      and (me.rolsuper or me.rolcreaterole and (not options or pg_has_role(me.id, r.oid, 'MEMBER WITH ADMIN OPTION')))
      and not exists (select from pg_stat_activity where usesysid = r.oid)
    order by 1
  ),
  'unknownRoles', array(
    select wanted from unnest(${p}) wanted where wanted not in (select rolname from pg_roles)
  ),
  'unavailableExtensions', case when ${v} = '{}' then '{}' else array(
    select wanted from unnest(${v}) wanted where wanted not in (select name from pg_available_extensions)
  ) end,
  'untrustedExtensions', case when ${v} = '{}' then '{}' else array(
    select e.name from unnest(${v}) wanted
      join pg_available_extensions e on e.name = wanted
      join pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
    where v.superuser and not v.trusted
      and wanted <> all (regexp_split_to_array(coalesce(current_setting('extwlist.extensions', true), ''), '\\s*,\\s*'))
      and not (select rolsuper from pg_roles where rolname = current_user)
  ) end
) as state`;function ee(c){const{username:f,database:p,connectRoles:E,poolerRoles:v,extensions:X}=c;return{sql:fe(S(f),S(p),I(E),I(v),I(X)),answer(H){const{role:G,database:P,claims:T,...Y}=V(H),{there:te,...y}=P;return{...Y,version:(0,O.TN)(Y.version,40),role:G===null?void 0:he(G),database:te?y:void 0,newDatabase:te?void 0:y,claims:T.flatMap(({role:K,comment:L,holds:Q})=>{const N=x(L);return N==="unreadable"?Q||$(L,p)?[{role:K,secret:void 0}]:[]:N.marker?.database===p?[{role:K,secret:N.marker.secret}]:[]})}}}}function he({comment:c,...f}){const p=x(c);return p==="unreadable"?{...f,marker:void 0,note:void 0,kept:{},unreadable:!0}:{...f,...p,unreadable:!1}}})};export{Jt as id,Xt as ids,Yt as modules};
