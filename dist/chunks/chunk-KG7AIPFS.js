import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a as x,b as z,c as J,d as Z,e as V,f as ye,g as we,h as $e}from"./chunk-V5QDTC3N.js";import{c as me}from"./chunk-BOV2EX6R.js";import{d as pe,f as q,j as ge,k as he}from"./chunk-O7YXHVDK.js";import{a as bt}from"./chunk-NWE56INQ.js";import{b as le}from"./chunk-EHSGCZDH.js";import{a as fe}from"./chunk-XE7DGWUY.js";import{d as de}from"./chunk-VYCS3QW4.js";import{a as ue,b as W}from"./chunk-QSDIIJEB.js";import{a as l,b as F}from"./chunk-JA6OCYI4.js";import{d as $t,e as N,f as I}from"./chunk-YMZWJLKE.js";import{mkdir as _n}from"node:fs/promises";import{join as Ln}from"node:path";var be=2*pe;function Y(e){let t=be;for(let n of e)t+=he(n)+n.size+q(n.size);return t}async function X(e,t,n={}){let r=new K(t,n.bufferSize??1048576);try{for await(let{header:i,open:o}of e)if(n.signal?.throwIfAborted(),await r.put(ge(i)),o!==void 0)await kt(r,i,o,n.signal);else if(i.size>0)throw new TypeError(`${i.name} has a size and no contents`);await r.putZeros(be),await r.flush()}finally{await r.settle()}}async function kt(e,t,n,r){let i=await n();try{for(let o=t.size;o>0;){r?.throwIfAborted();let s=await e.room(),a=await i.read(s.subarray(0,Math.min(s.length,o)));e.filled(a),o-=a}await i.finish()}finally{await i.close()}await e.putZeros(q(t.size))}var K=class{#i;#e;#r;#t=0;#n=Promise.resolve();constructor(t,n){this.#i=t,this.#e=Buffer.allocUnsafeSlow(n),this.#r=Buffer.allocUnsafeSlow(n)}async room(){return this.#t===this.#e.length&&await this.#o(),this.#e.subarray(this.#t)}filled(t){this.#t+=t}async put(t){for(let n=0;n<t.length;){let r=await this.room(),i=t.subarray(n,n+r.length);r.set(i),this.filled(i.length),n+=i.length}}async putZeros(t){t>0&&await this.put(Buffer.alloc(t))}async flush(){await this.#o(),await this.#n}async settle(){await this.#n.catch(()=>{})}async#o(){await this.#n;let t=this.#e.subarray(0,this.#t);[this.#e,this.#r]=[this.#r,this.#e],this.#t=0,this.#n=this.#i.write(t),this.#n.catch(()=>{})}};var ke=Buffer.from(`!<arch>
`,"latin1"),R=60,Q=9999999999;function M(e,t,n){let r=(o,s)=>{if(o.length>s)throw new RangeError(`${o} has no room in the ${s} bytes of an ar header`);return o.padEnd(s," ")},i=[r(e,16),r(String(n),12),r("0",6),r("0",6),r("100644",8),r(String(t),10),"`\n"].join("");return Buffer.from(i,"latin1")}function _(e){return e%2}import{constants as L,createGzip as xe,createZstdCompress as Pt}from"node:zlib";import{spawn as vt}from"node:child_process";import{once as xt}from"node:events";function ve(e,t,n,r=process.env){let i=vt(e,t,{env:r,stdio:["pipe","pipe","pipe"]}),o="";i.stderr.on("data",f=>o=(o+f.toString("utf8")).slice(-4096)),i.stdin.on("error",()=>{});let s=xt(i,"spawn").catch(f=>{let d=f.code==="ENOENT";throw new l({doing:`starting ${e}`,because:d?"there is no such program on PATH":f.message,fix:d?`install ${e}; \`imgbuild doctor\` lists what is needed`:"see the cause above",cause:f})}),a=new Promise(f=>i.once("close",()=>f())),c=(async()=>{await s;try{for await(let u of i.stdout)await n(u)}catch(u){throw i.kill("SIGKILL"),u}if(await a,i.exitCode===0)return;let f=i.signalCode===null?`exit code ${i.exitCode}`:`ended by ${i.signalCode}`,d=o.trim().split(`
`).at(-1)??"";throw new l({doing:`running ${e} ${t.join(" ")}`,because:`${f}: ${d}`,fix:`mend what ${e} says, and run it again`})})();return c.catch(()=>{}),{async write(f){await s;let d=new Promise((u,m)=>{i.stdin.write(f,g=>g?m(g):u())});await Promise.race([d.catch(()=>c),c])},async end(){await s,i.stdin.end(),await c},abort(){i.kill("SIGKILL")}}}var Pe={zstd:"data.tar.zst",xz:"data.tar.xz",gzip:"data.tar.gz",stored:"data.tar.gz",none:"data.tar"};function Se(e,t,n){switch(e){case"none":return{write:async r=>n(Buffer.from(r.buffer,r.byteOffset,r.byteLength)),async end(){},abort(){}};case"gzip":return te(xe({level:L.Z_BEST_COMPRESSION,chunkSize:ee}),n);case"stored":return te(xe({level:L.Z_NO_COMPRESSION,chunkSize:ee}),n);case"zstd":return te(Pt({params:St,pledgedSrcSize:t,chunkSize:ee}),n);case"xz":return ve("xz",Et,n,zt())}}var ee=256*1024,St={[L.ZSTD_c_compressionLevel]:9,[L.ZSTD_c_windowLog]:23,[L.ZSTD_c_checksumFlag]:1},Et=["--compress","--stdout","--format=xz","--check=crc64","-6","--threads=2","--block-size=24MiB"];function zt(){return{PATH:process.env.PATH,LC_ALL:"C"}}function te(e,t){let n=(async()=>{for await(let r of e)await t(r)})();return n.catch(()=>{}),{async write(r){let i=new Promise((o,s)=>{e.write(r,a=>a?s(a):o())});await Promise.race([i.catch(()=>n),n])},async end(){e.end(),await n},abort(){e.destroyed||(e.once("error",()=>{}),e.destroy())}}}function H(e){let{dev:t,ino:n,size:r,mtimeNs:i,ctimeNs:o}=e;return{device:t,inode:n,size:r,modified:i,changed:o}}function h(e,t,n=420){let r=Buffer.from(t);return{type:"file",path:e,mode:n,size:r.length,source:{from:"bytes",bytes:r}}}function Ot(e,t){return Buffer.compare(Buffer.from(e.path.replaceAll("/","\0")),Buffer.from(t.path.replaceAll("/","\0")))}function O(e){let t=new Map(e.map(n=>[n.path,n]));for(let{path:n}of e)for(let r=n.lastIndexOf("/");r>0;r=n.lastIndexOf("/",r-1)){let i=n.slice(0,r);t.has(i)||t.set(i,{type:"directory",path:i,mode:493})}return[...t.values()].toSorted(Ot)}function Ee(e){return e.filter(({type:t,path:n})=>t==="file"&&n.startsWith("etc/")).map(({path:t})=>`/${t}`)}import{createHash as Oe}from"node:crypto";import{constants as ze}from"node:fs";import{open as Dt}from"node:fs/promises";async function ne(e,t,n){let r=Oe("md5"),i=e.source.from==="bytes"?Ct(e.source.bytes):await Ft(e.source);return{async read(o){let s=await i.read(o);return r.update(o.subarray(0,s)),t(s),s},async finish(){await i.finish(),n(r.digest("hex"))},close:()=>i.close()}}var De=Oe("md5").digest("hex");function Ct(e){let t=0;return{async read(n){let r=e.copy(n,0,t);return t+=r,r},async finish(){},async close(){}}}async function Ft(e){let t=await Rt(e);return{async read(n){let{bytesRead:r}=await t.read(n,0,n.length,null);if(r===0)throw z(e.name,"it became shorter while it was packed");return r},finish:()=>Ce(t,e),close:()=>t.close()}}async function Rt(e){let t=await Dt(e.path,ze.O_RDONLY|ze.O_NOFOLLOW).catch(n=>{throw x(e.name,n)});try{return await Ce(t,e),t}catch(n){throw await t.close(),n}}async function Ce(e,t){let n=t.stamp,r=H(await e.stat({bigint:!0}));if(r.device!==n.device||r.inode!==n.inode)throw z(t.name,"another file took its place");if(r.size>n.size)throw z(t.name,"it became longer while it was packed");if(r.size<n.size)throw z(t.name,"it became shorter while it was packed");if(r.modified!==n.modified||r.changed!==n.changed)throw z(t.name,"it was written to while it was packed")}import{createHash as _t}from"node:crypto";import{open as Lt}from"node:fs/promises";async function Fe(e,t){let n={size:0,sha256:""};try{return await de(e,async(r,i)=>{let o=Tt(r);await t(o),n={size:o.size,sha256:await Bt(i)}}),n}catch(r){throw re(e,r)}}function Tt(e){let t=0,n=async(r,i)=>{for(let o=0;o<i.length;){let{bytesWritten:s}=await e.write(i,o,i.length-o,r+o);o+=s}};return{get size(){return t},async append(r){let i=t;t+=r.length,await n(i,r)},patch:n}}async function Bt(e){var i=[];try{let t=_t("sha256");let n=N(i,await Lt(e,"r"),!0);let r=Buffer.allocUnsafeSlow(1024*1024);for(;;){let{bytesRead:f}=await n.read(r,0,r.length,null);if(f===0)return t.digest("hex");t.update(r.subarray(0,f))}}catch(o){var s=o,a=!0}finally{var c=I(i,s,a);c&&await c}}function re(e,t){let{code:n,message:r,syscall:i}=t;if(t instanceof l||n===void 0||i===void 0)return t;let o="free some space, or choose another folder with -o",s="choose another folder with -o",a={ENOSPC:["the disk is full",o],EDQUOT:["the disk quota is used up",o],EACCES:["no right to write there",s],EROFS:["the file system is read-only",s],EEXIST:["a file is in the way",s],ENOTDIR:["a file is in the way",s]},[c,f]=a[n]??[r,s];return new l({doing:`writing ${e}`,because:c,fix:f,cause:t})}import{crc32 as At}from"node:zlib";var ie=65535,Re=Buffer.of(31,139,8,0,0,0,0,0,0,3),_e=8;function Le(e){return Re.length+5*Be(e)+e+_e}function Te(e){let t=[Re],n=Be(e.length);for(let i=0;i<n;i++){let o=e.subarray(i*ie,(i+1)*ie),s=Buffer.alloc(5);s[0]=i===n-1?1:0,s.writeUInt16LE(o.length,1),s.writeUInt16LE(o.length^65535,3),t.push(s,o)}let r=Buffer.alloc(_e);return r.writeUInt32LE(At(e),0),r.writeUInt32LE(e.length>>>0,4),Buffer.concat([...t,r])}function Be(e){return Math.max(1,Math.ceil(e/ie))}async function Ne(e,t,n){let{mtime:r}=n,i=t.entries.map(a=>D(a,r)),o=D({type:"directory",path:"",mode:493},r),s=Y([o,...i]);return(t.compression==="none"||t.compression==="stored")&&Ae(e,s),Fe(e,async a=>{await a.append(ke),await Nt(a,"debian-binary",Buffer.from(`2.0
`),r);let c=Le(Mt(t,r)),f=a.size;await a.append(Buffer.alloc(R+c+_(c)));let d=a.size;await a.append(Buffer.alloc(R));let u=new Map,m=Se(t.compression,s,async w=>{await a.append(w),Ae(e,a.size-d-R)});try{let w=[{header:o},...t.entries.map((E,j)=>It(E,i[j],u,n))];await X(w,m,{signal:n.signal}),await m.end()}catch(w){throw m.abort(),w}let g=a.size-d-R;await a.append(Buffer.alloc(_(g),`
`)),await a.patch(d,M(Pe[t.compression],g,r));let y=Te(await Ht(t,u,r));if(y.length!==c)throw new Error(`control.tar is ${y.length} bytes, not ${c}`);let S=Buffer.alloc(_(y.length),`
`);await a.patch(f,Buffer.concat([M("control.tar.gz",y.length,r),y,S]))})}function Ae(e,t){if(!(t<=Q))throw new l({doing:`writing ${e}`,because:`its data take ${t} bytes, and the format ends at ${Q}`,fix:"split the contents over two packages, or choose a stronger compression",kind:"input"})}async function Nt(e,t,n,r){let i=Buffer.alloc(_(n.length),`
`);await e.append(Buffer.concat([M(t,n.length,r),n,i]))}function D(e,t){let n=e.type==="directory"&&e.path!==""?"/":"";return{name:`./${e.path}${n}`,type:e.type,mode:e.type==="symlink"?511:e.mode,uid:0,gid:0,size:e.type==="file"?e.size:0,mtime:t,linkName:e.type==="symlink"?e.target:"",userName:"root",groupName:"root",deviceMajor:0,deviceMinor:0}}function It(e,t,n,r){if(e.type!=="file")return{header:t};let i=o=>{n.set(e.path,o)};return{header:t,open:()=>ne(e,r.onBytes??(()=>{}),i)}}function Ie(e,t){let n=new Set(e.conffiles),r=e.entries.filter(({type:o,path:s})=>o==="file"&&!n.has(`/${s}`)).map(({path:o})=>`${t.get(o)??De}  ${o}
`).join(""),i=[h("control",e.control)];r!==""&&i.push(h("md5sums",r)),e.conffiles.length>0&&i.push(h("conffiles",e.conffiles.map(o=>`${o}
`).join("")));for(let[o,s]of Object.entries(e.scripts))i.push(h(o,s,493));return O(i)}function Mt(e,t){let n=D({type:"directory",path:"",mode:493},t);return Y([n,...Ie(e,new Map).map(r=>D(r,t))])}async function Ht(e,t,n){let r=[],i={header:D({type:"directory",path:"",mode:493},n)},o=Ie(e,t).map(a=>({header:D(a,n),open:()=>ne(a,()=>{},()=>{})})),s={write:async a=>{r.push(Buffer.from(a))}};return await X([i,...o],s,{bufferSize:64*1024}),Buffer.concat(r)}import{basename as zn}from"node:path";var Gt={amd64:"amd64",arm64:"arm64",386:"i386","arm/v7":"armhf","arm/v6":"armel","arm/v5":"armel",ppc64le:"ppc64el",riscv64:"riscv64",s390x:"s390x",mips64le:"mips64el",loong64:"loong64"};function Me(e){if(e.os!=="linux")return;let{architecture:t,variant:n}=e,r=t==="arm"?`arm/${n??"v7"}`:t;return Gt[r]}import{lstat as Ue,readdir as jt,readlink as Wt,realpath as He}from"node:fs/promises";import{posix as v,sep as qt}from"node:path";import{basename as Ut}from"node:path";function $(e,t,n,r,i){return new l({doing:`reading ${Ut(e.file)}`,because:`package ${t}: ${r}`,fix:i,at:e.locate(["debs",t,...n]),kind:"input"})}async function je(e,t){let n=new Map,r=[];for(let[s,a]of t.contents.entries()){let c=(f,d,u)=>$(e,t.name,["contents",s,f],d,u);for(let{source:f,target:d}of await Jt(e,a,c))for await(let u of We(e.root,f,d,a.mode,c)){let m=n.get(u.path);if(m!==void 0){if(m.entry.type==="directory"&&u.type==="directory")continue;let g=`${m.from} and ${f}`;throw c("dst",`${g} both go to /${u.path}`,"give one of them another dst, or leave it out")}n.set(u.path,{entry:u,from:f}),u.type==="file"&&(u.mode&3072)!==0&&r.push(`${t.name}: /${u.path} keeps ${Yt(u.mode)} (mode ${u.mode.toString(8)})`)}}let i=[...n.values()].map(({entry:s})=>s),o=new Set(O(i).map(({path:s})=>s));for(let s of i){Xt(s,o)&&r.push(`${t.name}: the link /${s.path} points at nothing in the package`);let a=Qt(s.path,n);if(a!==void 0)throw $(e,t.name,["contents"],`/${a} is no folder, and /${s.path} would lie in it`,"give one of them another dst")}return{entries:i,warnings:r}}async function Jt(e,t,n){let{src:r,dst:i}=t,o=Kt(i);if(await Zt(e.root,ye(r),n),V(r)){let a=await we(e.root,r);if(a.length===0)throw await Ge(e.root,r,n);return a.filter(({path:c})=>!Z.has(c)).map(({path:c,below:f})=>({source:c,target:oe(o,f)}))}let s=await Ue(v.join(e.root,r)).catch(J(r));if(s===void 0)throw await Ge(e.root,r,n);if(i.endsWith("/")&&r!==".")return[{source:r,target:oe(o,v.basename(r))}];if(o===""&&!s.isDirectory())throw n("dst",`${r} is no folder`,`write /${v.basename(r)}`);return[{source:r,target:o}]}async function Zt(e,t,n){let r=await He(v.join(e,t)).catch(J(t)),i=await He(e);if(!(r===void 0||r===i||r.startsWith(i+qt)))throw n("src",`${t} is a link that leaves the repository's root`,"put what is needed into the repository")}async function*We(e,t,n,r,i){let o=v.join(e,t);for(let[a,c]of[["src",t],["dst",n]]){let f=Vt(c);if(f!==void 0)throw i(a,`${JSON.stringify(c)} ${f}`,"rename the file")}let s=await Ue(o,{bigint:!0}).catch(a=>{throw x(t,a)});if(s.isSymbolicLink())yield{type:"symlink",path:n,target:await Wt(o)};else if(s.isFile()){let a=Number(s.mode),c=r??((a&73)!==0?493:420)|a&3584,f={from:"disk",path:o,name:t,stamp:H(s)};yield{type:"file",path:n,mode:c,size:Number(s.size),source:f}}else if(s.isDirectory()){n!==""&&(yield{type:"directory",path:n,mode:493});let a=await jt(o).catch(c=>{throw x(t,c)});for(let c of a.toSorted()){let f=t==="."?c:`${t}/${c}`;Z.has(f)||(yield*We(e,f,oe(n,c),r,i))}}else{let a=s.isFIFO()?"a pipe":s.isSocket()?"a socket":"a device";throw i("src",`${t} is ${a}, which no package can carry`,"leave it out of src")}}function Vt(e){if(/[\n\r]/.test(e))return"has a line break in its name";if(e.includes("�"))return"has a name that is not UTF-8"}async function Ge(e,t,n){let r=await $e(e,t),i=V(t)?`no file matches ${t}`:`there is no file or folder ${t}`;return n("src",i,r===void 0?"make it, or mend the pattern":`the nearest is ${r}`)}function Kt(e){let t=v.normalize(e).replace(/^\/+|\/+$/g,"");return t==="."?"":t}function oe(e,t){return e===""?t:`${e}/${t}`}function Yt(e){return[(e&2048)!==0&&"setuid",(e&1024)!==0&&"setgid"].filter(n=>n!==!1).join(" and ")}function Xt(e,t){if(e.type!=="symlink"||e.target.startsWith("/"))return!1;let n=v.join(v.dirname(e.path),e.target).replace(/\/$/,"");return n!=="."&&!t.has(n)}function Qt(e,t){for(let n=e.lastIndexOf("/");n>0;n=e.lastIndexOf("/",n-1)){let r=t.get(e.slice(0,n))?.entry;if(r!==void 0&&r.type!=="directory")return r.path}}var qe="[a-z0-9][a-z0-9+.-]+",en=new RegExp(`^(?<name>${qe})(?::(?<qualifier>[a-z0-9-]+))?(?:\\s*\\(\\s*(?<operator><<|<=|=|>=|>>)\\s*(?<version>\\S+?)\\s*\\))?$`),tn=/^(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*$/;function Je(e){return new RegExp(`^${qe}$`).test(e)}function se(e){return tn.test(e)&&!e.endsWith("-")}function Ze(e,t){if(/[\n\r]/.test(e))throw new RangeError("it has a line break, which would begin another field");if(e.includes(","))throw new RangeError("it has a comma: write each package as an entry of its own");let n=e.split("|").map(r=>r.trim());if(n.length>1&&!t.alternatives)throw new RangeError("alternatives with | are not allowed here");return n.map(r=>nn(r,t))}function nn(e,t){let n=en.exec(e)?.groups;if(n===void 0){let c=/\(\s*[<>]\s*[0-9]/.test(e);throw new RangeError(c?`${JSON.stringify(e)} compares with a lone < or >: write << or <=, >> or >=`:`${JSON.stringify(e)} is not a package, as in libssl3 or libssl3 (>= 3.0)`)}let{name:r,qualifier:i,operator:o,version:s}=n,a={name:r};if(i!==void 0&&(a.qualifier=i),o!==void 0){if(!se(s))throw new RangeError(`${JSON.stringify(s)} is not a Debian version`);if(t.operators==="equal"&&o!=="=")throw new RangeError(`only = may stand here, not ${o}`);a.version={operator:o,version:s}}return a}function Ve(e){return e.map(({name:t,qualifier:n,version:r})=>{let i=n===void 0?t:`${t}:${n}`;return r===void 0?i:`${i} (${r.operator} ${r.version})`}).join(" | ")}function Ke(e){if(!Je(e.package))throw new RangeError(`not a package name: ${JSON.stringify(e.package)}`);if(!se(e.version))throw new RangeError(`not a Debian version: ${JSON.stringify(e.version)}`);let t=i=>i.length===0?void 0:i.join(", ");return[...[["Package",e.package],["Version",e.version],["Architecture",e.architecture],["Maintainer",e.maintainer],["Installed-Size",String(e.installedSize)],["Depends",t(e.depends)],["Recommends",t(e.recommends)],["Conflicts",t(e.conflicts)],["Replaces",t(e.replaces)],["Provides",t(e.provides)],["Section",e.section],["Priority","optional"],["Description",e.synopsis]].filter(([,i])=>i!==void 0).map(([i,o])=>`${i}: ${rn(i,o)}`),...on(e.extended),""].join(`
`)}function T(e){if(e.trim()==="")return"it is empty";if(/[\n\r]/.test(e))return"it has a line break, which would begin another field";if(/[\u0000-\u001f\u007f]/.test(e))return"it has a control character"}function Ye(e){let t=T(e);return t!==void 0?t:/^[^<>,]*[^<>,\s] <[^\s<>@]+@[^\s<>@]+>$/.test(e)?void 0:"it is not NAME <ADDRESS>"}function Xe(e){return/^(?:[a-z]+(?:-[a-z]+)*\/)?[a-z]+(?:-[a-z]+)*$/.test(e)?void 0:"it is not a section, as in misc"}function Qe(e){return/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(e)&&!e.includes("-any")?void 0:"it is not an architecture, as in amd64 or all"}function et(e){let[t="",...n]=e.trim().split(/\r?\n/);return{synopsis:t.trim(),extended:n.join(`
`).trim()}}function tt(e){let t=0;for(let{type:n,size:r}of e)t+=n==="file"?Math.ceil(r/1024):1;return t}function rn(e,t){let n=T(t);if(n!==void 0)throw new RangeError(`${e}: ${n}: ${JSON.stringify(t)}`);return t.trim()}function on(e){return e===""?[]:e.split(`
`).map(t=>{let n=t.trimEnd();if(n==="")return" .";if(/[\u0000-\u0008\u000b-\u001f\u007f]/.test(n))throw new RangeError(`Description: it has a control character: ${JSON.stringify(t)}`);return` ${n}`})}import{gzipSync as sn}from"node:zlib";var an={"Apache-2.0":"Apache-2.0","GPL-1.0-only":"GPL-1","GPL-2.0-only":"GPL-2","GPL-2.0-or-later":"GPL-2","GPL-3.0-only":"GPL-3","GPL-3.0-or-later":"GPL-3","LGPL-2.1-only":"LGPL-2.1","LGPL-2.1-or-later":"LGPL-2.1","LGPL-3.0-only":"LGPL-3","MPL-2.0":"MPL-2.0","CC0-1.0":"CC0-1.0"};function nt(e,t){let n=`usr/share/doc/${e.name}`,r=un(e,t),i=[h(`${n}/changelog.gz`,sn(cn(e),{level:9})),h(`${n}/copyright`,fn(e)),...r===""?[]:[h(`usr/share/lintian/overrides/${e.name}`,r)]],o=new Set(t.map(({path:s})=>s));return i.filter(({path:s})=>!o.has(s))}function cn({name:e,version:t,maintainer:n,mtime:r}){let i=new Date(r*1e3).toUTCString().replace("GMT","+0000");return`${e} (${t}) stable; urgency=medium

  * Release ${t}.

 -- ${n}  ${i}
`}function fn({product:e,maintainer:t,license:n,mtime:r}){let i=new Date(r*1e3).getUTCFullYear(),o=n===void 0?void 0:an[n],s=n===void 0?" No licence was declared for this package: ask the maintainer.":o===void 0?` The text of the licence ${n} comes with the sources of ${e}.`:` On Debian systems, the text of this licence is in /usr/share/common-licenses/${o}.`;return["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",`Upstream-Name: ${e}`,`Upstream-Contact: ${t}`,"","Files: *",`Copyright: ${i} ${t.replace(/ <.*$/,"")}`,`License: ${n??"unstated"}`,s,""].join(`
`)}function un({name:e,compression:t},n){let r=[];return n.some(({path:i})=>i==="opt"||i.startsWith("opt/"))&&(r.push("# The vendor of this package is not the distribution: /opt is where its files belong (FHS 3.13)."),r.push(`${e}: dir-or-file-in-opt`)),t==="zstd"&&(r.push("# dpkg reads zstd from 1.21.18 on (Debian 12, Ubuntu 18.04)."),r.push(`${e}: malformed-deb-archive *data.tar.zst*`)),t==="none"&&(r.push("# What does not shrink is not compressed."),r.push(`${e}: uses-no-compression-for-data-tarball`)),r.map(i=>`${i}
`).join("")}var rt={depends:{alternatives:!0,operators:"any"},recommends:{alternatives:!0,operators:"any"},conflicts:{alternatives:!1,operators:"any"},replaces:{alternatives:!1,operators:"any"},provides:{alternatives:!1,operators:"equal"}},dn="docker.io | docker-ce | moby-engine";function it(e,t){let n=[],r=(d,u,m,g)=>{m!==void 0&&n.push($(e,t.name,d,`${JSON.stringify(u)}: ${m}`,g))},{synopsis:i,extended:o}=et(t.description);r(["description"],t.description,T(i),"write one line on what the package is");let s=/[\u0000-\u0008\u000b-\u001f\u007f]/.test(o);if(r(["description"],t.description,s?"it has a control character":void 0,"write plain text"),r(["maintainer"],t.maintainer,Ye(t.maintainer),"write NAME <ADDRESS>"),r(["section"],t.section,Xe(t.section),"write one of the sections of Debian, as in misc"),t.license!==void 0&&r(["license"],t.license,T(t.license),"write an SPDX identifier, as in Apache-2.0"),t.architecture!=="any"){let d=Qe(t.architecture);r(["architecture"],t.architecture,d,"write all, or a name as in `dpkg --print-architecture`")}else t.service===void 0&&r(["architecture"],"any","it stands for one package for each platform of a service, and this one has no service:","write all, or a name as in `dpkg --print-architecture`");let a={};for(let d of Object.keys(rt))a[d]=t[d].flatMap((u,m)=>{try{return[Ve(Ze(u,rt[d]))]}catch(g){if(!(g instanceof RangeError))throw g;return r([d,m],u,g.message,"write PACKAGE, PACKAGE (>= VERSION), or A | B"),[]}});let c=[...a.depends,...a.recommends].join(" ");return t.service!==void 0&&!/\b(?:docker\.io|docker-ce|moby-engine)\b/.test(c)&&a.recommends.push(dn),{fields:{maintainer:t.maintainer,section:t.section,...a,synopsis:i,extended:o===""?ln(e,t):o},failures:n}}function ln(e,t){let n=e.layers.find(({name:r})=>r===t.service);return n===void 0?`Part of ${e.name}.`:`Runs the image ${n.image.path} of ${e.name} with Docker, as a systemd service.`}import{open as mn}from"node:fs/promises";import{constants as pn,zstdCompressSync as gn}from"node:zlib";var G=64*1024,hn=64,yn=4*1024*1024,wn=.95;async function ot(e){let t=e.filter(o=>o.type==="file"),n=t.reduce((o,{size:s})=>o+s,0);if(n<=yn)return"gzip";let[r,i]=[0,0];for(let o of await $n(t,n)){r+=o.length;let s={[pn.ZSTD_c_compressionLevel]:1};i+=gn(o,{params:s}).length}return i<r*wn?"zstd":"stored"}async function $n(e,t){let n=Math.max(G,Math.floor(t/hn)),r=[],i=0,o=0;for(let{size:u,source:m}of e){let g=[];for(;o<i+u;o+=n)g.push(o-i);if(i+=u,g.length!==0){if(m.from==="bytes"){r.push(...g.map(y=>m.bytes.subarray(y,y+G)));continue}try{var s=[];try{let y=N(s,await mn(m.path,"r"),!0);for(let S of g){let{buffer:w,bytesRead:E}=await y.read(Buffer.allocUnsafe(G),0,G,S);r.push(w.subarray(0,E))}}catch(a){var c=a,f=!0}finally{var d=I(s,c,f);d&&await d}}catch(y){throw x(m.name,y)}}}return r}import{gzipSync as bn}from"node:zlib";function p(e){return/^[A-Za-z0-9_./:@%+=,-]+$/.test(e)?e:`'${e.replaceAll("'","'\\''")}'`}var b=e=>`imgbuild-${e.name}.service`,k=e=>`/usr/bin/imgbuild-${e.name}`,P=e=>`/var/lib/imgbuild/${e.product}`,B=e=>`${P(e)}/superseded-by-${e.package}`,U=e=>`${P(e)}/verified-${e.package}`;function at(e){let{name:t,image:n}=e,r=e.run,o=[...r.ports.flatMap(s=>["--publish",s]),...Object.entries(r.env).flatMap(([s,a])=>["--env",`${s}=${a}`]),...r.volumes.flatMap(s=>["--volume",s]),...r.options].map(s=>` \\
    ${p(s)}`).join("");return`#!/bin/sh
# Runs the image of the package ${e.package}, and says whether it is the one that runs.
set -eu
LC_ALL=C
export LC_ALL

name=${p(t)}
package=${p(e.package)}
image=${p(n)}
share=${p(`/opt/${t}`)}
state=${p(P(e))}
superseded=${p(B(e))}
verified=${p(U(e))}
unit=${p(b(e))}

# Images and containers of this machine alone count.
unset DOCKER_CONTEXT
case "\${DOCKER_HOST:-}" in
  unix://*) ;;
  *) unset DOCKER_HOST ;;
esac

# Exit codes of sysexits(3): 69 is worth another try, 78 is not before something has changed.
fail() {
  code=$1
  shift
  printf '%s: %s\\n' "$name" "$*" >&2
  exit "$code"
}

# Whether an update has put another release in place since this package was installed.
has_moved_on() {
  [ -e "$state/current" ] || return 1
  [ -e "$superseded" ] || return 0
  cmp -s "$state/current" "$superseded" || return 0
  [ "$(stat -c %y "$state/current")" != "$(stat -c %y "$superseded")" ]
}

# Sets release, config, reference and origin: what ought to run.
expect() {
  reference=$(cat "$share/docker_image_tag")
  if has_moved_on; then
    origin=update
    flat=$(tr -d '\\n\\r\\t' <"$state/current")
    case $flat in
      *'"schema":1,'* | *'"schema": 1,'* | *'"schema":1}'*) ;;
      *) fail 78 "$state/current is not of a form that this package knows; install a newer one" ;;
    esac
    release=$(printf '%s\\n' "$flat" | sed -n 's|.*"version" *: *"\\([^"]*\\)".*|\\1|p')
    # The image's name may stand there with the registry that it came from.
    for key in '${st(n)}' '[^"]*/${st(n)}'; do
      entry=$(printf '%s\\n' "$flat" | sed -n "s|.*\\"$key\\" *: *{\\([^}]*\\)}.*|\\1|p")
      [ -z "$entry" ] || break
    done
    config=$(printf '%s\\n' "$entry" | sed -n 's|.*"config" *: *"\\(sha256:[0-9a-f]\\{64\\}\\)".*|\\1|p')
    [ -n "$release" ] && [ -n "$config" ] || fail 78 "$state/current says nothing of the image $image"
    reference=\${reference%:*}:$(printf '%s' "$release" | tr + _)
  else
    origin=package
    release=${p(e.release)}
    config=$(cat "$share/docker_image")
  fi
}

require_docker() {
  command -v docker >/dev/null || fail 69 "there is no docker program: install Docker"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || fail 69 "Docker does not answer: is its service running?"
}

# The digests of config that an image of containerd's store has, one a line.
configs_of() {
  if [ -r "$verified" ] && grep -q "^$1 " "$verified"; then
    sed -n "s|^$1 ||p" "$verified"
    return
  fi
  found=$(docker save "$1" | tar -xOf - manifest.json | tr , '\\n' |
    sed -n 's|.*"Config" *: *"\\(blobs/sha256/\\)\\{0,1\\}\\([0-9a-f]\\{64\\}\\).*|sha256:\\2|p')
  printf '%s\\n' "$found"
  [ -w "$(dirname "$verified")" ] || return 0
  printf '%s\\n' "$found" | sed "s|^|$1 |" >>"$verified"
}

# Sets id: what Docker calls the image with the expected config. Fails when it has none.
find_image() {
  id=$(docker image inspect --format '{{.Id}}' "$config" 2>/dev/null) || id=
  [ "$id" = "$config" ] && return
  for id in $(docker image ls --no-trunc --format '{{.Repository}} {{.ID}}' |
    awk -v image="$image" '
      { tail = substr($1, length($1) - length(image)) }
      ($1 == image || tail == "/" image) && !seen[$2]++ { print $2 }'); do
    configs_of "$id" | grep -qx "$config" && return
  done
  id=
  return 1
}

explain_missing() {
  cat >&2 <<END
$name: the image of release $release is not in this machine's Docker:
  $reference ($config)
Bring it by one of these:
  imgbuild ota apply FILE
  docker load -i FILE
${e.pullable?`  docker pull $reference
`:""}and then start the service:
  systemctl restart $unit
END
}

# Sets running, running_id and running_release: the container of this package.
look_at_container() {
  running=no
  found=$(docker container inspect --format \\
    '{{.State.Running}} {{.Image}} {{index .Config.Labels "imgbuild.package"}} {{index .Config.Labels "imgbuild.release"}}' \\
    "$name" 2>/dev/null) || return 0
  # shellcheck disable=SC2086 # four words
  set -- $found
  running_id=$2
  running_package=\${3:-}
  running_release=\${4:-unknown}
  running=stopped
  [ "$1" != true ] || running=yes
}

start() {
  expect
  require_docker
  find_image || {
    explain_missing
    exit 78
  }
  look_at_container
  if [ "$running" != no ]; then
    [ "$running_package" = "$package" ] || fail 78 "there is a container $name that is not of this package: remove it"
    docker rm --force "$name" >/dev/null
  fi
  exec docker run --rm --name "$name" --pull=never \\
    --label imgbuild.package="$package" --label imgbuild.release="$release" --label imgbuild.config="$config"${o} \\
    "$id"
}

stop() {
  require_docker
  look_at_container
  [ "$running" = no ] || [ "$running_package" != "$package" ] || docker stop "$name" >/dev/null
}

verify() {
  expect
  require_docker
  find_image || {
    explain_missing
    exit 78
  }
}

status() {
  expect
  printf 'expected  %s (%s) %s\\n' "$release" "$origin" "$config"
  require_docker
  find_image || true
  printf 'image     %s\\n' "\${id:-missing: $reference}"
  look_at_container
  if [ "$running" != yes ]; then
    printf 'running   no\\n'
    exit 3
  fi
  if [ -n "$id" ] && [ "$running_id" = "$id" ]; then
    printf 'running   %s, as expected\\n' "$release"
    exit 0
  fi
  printf 'running   %s %s, not what is expected\\n' "$running_release" "$running_id"
  exit 1
}

case "\${1:-}" in
  start | stop | verify | status) "$1" ;;
  *)
    cat <<END
Usage: ${k(e).slice(9)} status | verify | start | stop
status: what is expected and what runs; exits 0 when they are the same, 1 when another image runs, 3 when none does
verify: exits 0 when the expected image is in this machine's Docker, and says how to bring it otherwise
start, stop: run by $unit
END
    [ "\${1:-}" = --help ] || exit 64
    ;;
esac
`}function st(e){return e.replaceAll(".","\\.")}function ct(e,t){let n=k(e);return`[Unit]
Description=${t.replaceAll("%","%%").replace(/\\+$/,"")}
Documentation=man:${n.slice(9)}(1)
Requires=docker.service
After=docker.service network-online.target
Wants=network-online.target

[Service]
ExecStart=${n} start
ExecStop=${n} stop
Restart=always
RestartSec=5
RestartPreventExitStatus=78
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
`}function ft(e,t){let n=k(e).slice(1),r=bn(kn(e,t),{level:9});return[h(`opt/${e.name}/docker_image`,`${e.config}
`),h(`opt/${e.name}/docker_image_tag`,`${e.reference}
`),h(n,at(e),493),h(`usr/lib/systemd/system/${b(e)}`,ct(e,t)),h(`usr/share/man/man1/imgbuild-${e.name}.1.gz`,r)]}function kn(e,t){let n=`imgbuild-${e.name}`,r=i=>i.replaceAll("\\","\\e").replaceAll("-","\\-").replace(/^[.']/,"\\&$&");return`.TH ${r(n.toUpperCase())} 1
.SH NAME
${r(n)} \\- ${r(t)}
.SH SYNOPSIS
.B ${r(n)}
.RB status | verify | start | stop
.SH DESCRIPTION
Runs the image of the package
.B ${r(e.package)}
and says whether it is the one that runs.
.TP
.B status
What is expected and what runs. Exits with 0 when they are the same, 1 when another image runs, 3 when none does.
.TP
.B verify
Exits with 0 when the expected image is in this machine's Docker, and says how to bring it otherwise.
.TP
.BR start ", " stop
Run by
.BR ${r(b(e))} .
.SH FILES
.TP
.I /opt/${r(e.name)}/docker_image
Digest of the config of the image that came with the package.
.TP
.I /opt/${r(e.name)}/docker_image_tag
The name of that image.
.TP
.I /var/lib/imgbuild/${r(e.product)}/current
What an update has put in place since.
`}function ut(e){return{postinst:vn(e),prerm:xn(e),postrm:Pn(e)}}function vn(e){return`#!/bin/sh
set -e

unit=${p(b(e))}
program=${p(k(e))}
state=${p(P(e))}
superseded=${p(B(e))}
version=${p(e.debianVersion)}

# An update may have put another release in place. It stays there, unless this package is at least as new, or was
# installed over a newer one on purpose.
supersede() {
  [ -e "$state/current" ] || return 0
  updated=$(tr -d '\\n' <"$state/current" | sed -n 's|.*"version" *: *"v\\{0,1\\}\\([^"]*\\)".*|\\1|p' | sed 's/-/~/')
  if ! dpkg --compare-versions "$version" ge "$updated"; then
    [ -n "$1" ] && dpkg --compare-versions "$version" lt "$1" || return 0
  fi
  cp -p "$state/current" "$superseded.new"
  mv "$superseded.new" "$superseded"
}

case "$1" in
  configure)
    mkdir -p "$state"
    supersede "\${2:-}"
    ;;
  abort-upgrade | abort-remove | abort-deconfigure) ;;
  *)
    echo "postinst called with unknown argument '$1'" >&2
    exit 1
    ;;
esac

if command -v deb-systemd-helper >/dev/null; then
  deb-systemd-helper unmask "$unit" >/dev/null || true
  if deb-systemd-helper --quiet was-enabled "$unit"; then
    deb-systemd-helper enable "$unit" >/dev/null || true
  else
    deb-systemd-helper update-state "$unit" >/dev/null || true
  fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if "$program" verify; then
  if [ -d /run/systemd/system ]; then
    deb-systemd-invoke restart "$unit" >/dev/null || true
  fi
else
  echo "${e.package} is installed; its service starts when the image is there. To look: ${k(e).slice(9)} status" >&2
fi
`}function xn(e){return`#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${p(b(e))} >/dev/null || true
fi
`}function Pn(e){let t=P(e);return`#!/bin/sh
set -e

if [ "$1" = purge ]; then
  rm -f ${p(B(e))} ${p(U(e))}
  if [ -d ${p(t)} ]; then
    rmdir --ignore-fail-on-non-empty ${p(t)}
  fi
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge ${p(b(e))} >/dev/null || true
  fi
fi
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
`}var ce=$t(bt(),1);function A(e){let t=`making a Debian version of ${JSON.stringify(e)}`,n=/^v?[0-9]\S*$/.test(e)?ce.default.parse(e.replace(/^v/,"")):null;if(n===null)throw new l({doing:t,because:"this is not a semantic version",fix:"write MAJOR.MINOR.PATCH, as in 1.2.0 or 1.2.0-rc.1",kind:"input"});if([...n.prerelease,...n.build].join(".").includes("-"))throw new l({doing:t,because:"Debian takes what follows a hyphen for the revision of the packaging",fix:`write it with dots: ${e.replace(/^(v?[0-9.]+-?)(.*)$/,(s,a,c)=>a+c.replaceAll("-","."))}`,kind:"input"});let i=n.prerelease.length===0?"":`~${n.prerelease.join(".")}`,o=n.build.length===0?"":`+${n.build.join(".")}`;return`${n.major}.${n.minor}.${n.patch}${i}${o}`}function pt(e,t){let n=A(e);for(let r of t){let i=Math.sign(ce.default.compare(e.replace(/^v/,""),r.replace(/^v/,"")));if(i===0)continue;let o=Sn(r);if(o===void 0)continue;let s=En(n,o);if(s===i)continue;let a=c=>c<0?"<":c>0?">":"=";throw new l({doing:`making a Debian version of ${JSON.stringify(e)}`,because:`semantic versioning says ${e} ${a(i)} ${r}, dpkg says ${n} ${a(s)} ${o}`,fix:"write the parts of a pre-release with dots between words and numbers: rc.1, rc.2, … rc.10",kind:"input"})}}function Sn(e){try{return A(e)}catch(t){if(t instanceof l)return;throw t}}function En(e,t){let[n,r]=[dt(e),dt(t)],i=n.epoch-r.epoch||lt(n.upstream,r.upstream)||lt(n.revision,r.revision);return Math.sign(i)}function dt(e){let t=e.indexOf(":"),n=e.slice(t+1),r=n.lastIndexOf("-");return{epoch:t===-1?0:Number(e.slice(0,t)),upstream:r===-1?n:n.slice(0,r),revision:r===-1?"":n.slice(r+1)}}function lt(e,t){let[n,r]=[0,0];for(;n<e.length||r<t.length;){for(;n<e.length&&!ae(e[n])||r<t.length&&!ae(t[r]);){let c=mt(e[n])-mt(t[r]);if(c!==0)return c;n++,r++}let[i,o]=[/^[0-9]*/.exec(e.slice(n))[0],/^[0-9]*/.exec(t.slice(r))[0]];n+=i.length,r+=o.length;let[s,a]=[i.replace(/^0+/,""),o.replace(/^0+/,"")];if(s.length!==a.length)return s.length-a.length;if(s!==a)return s<a?-1:1}return 0}function mt(e){if(e===void 0||ae(e))return 0;if(e==="~")return-1;let t=e.charCodeAt(0);return/[A-Za-z]/.test(e)?t:t+256}function ae(e){return e>="0"&&e<="9"}async function gt(e,t,n){let{fields:r,failures:i}=it(e,t);if(i.length>0)throw new F(i);let{entries:o,warnings:s}=await je(e,t),a=A(n.version),c=[];for(let{architecture:f,image:d}of On(e,t,n.images)){let u=d&&Dn(e,t,d,n.version),m=u===void 0?[]:ft(u,r.synopsis);Cn(e,t,o,m);let g=t.compression==="auto"?await ot([...m,...o]):t.compression,y={name:t.name,product:e.name,version:a,maintainer:r.maintainer,license:t.license,mtime:n.mtime,compression:g},S=[...m,...o],w=O([...S,...nt(y,S)]),E=w.map(C=>({type:C.type,size:C.type==="file"?C.size:0})),j=Ke({...r,package:t.name,version:a,architecture:f,installedSize:tt(E)});c.push({name:t.name,version:a,architecture:f,fileName:`${t.name}_${a}_${f}.deb`,size:E.reduce((C,{size:wt})=>C+wt,0),warnings:s,control:j,conffiles:Ee(w),scripts:u===void 0?{}:ut(u),entries:w,compression:g})}return c}function On(e,t,n){if(t.service===void 0)return[{architecture:t.architecture}];let r=n.filter(({layer:o})=>o===t.service).map(o=>{let s=Me(o.platform);if(s!==void 0)return{architecture:s,image:o};let a=`Debian has no architecture for ${W(o.platform)}, a platform of ${t.service}`;throw $(e,t.name,["service"],a,"name the platforms of that layer in `platforms:`")}).filter(({architecture:o})=>t.architecture==="any"||t.architecture===o);if(r.length>0)return r;let i=t.architecture==="any"?"":` for ${t.architecture}`;throw new l({doing:`packing ${t.name}`,because:`there is no image of the layer ${t.service}${i} to name in it`,fix:`build it first: imgbuild build ${t.service}`})}function Dn(e,t,n,r){let i=e.layers.find(({name:o})=>o===n.layer);if(i===void 0)throw new RangeError(`${zn(e.file)} has no layer ${n.layer}`);return{name:t.run.name??e.name,package:t.name,product:e.name,release:r.replace(/^v/,""),debianVersion:A(r),image:i.image.path,config:n.config,reference:n.reference,pullable:fe(n.reference.split("/")[0])&&n.reference.includes("/"),platform:W(n.platform),run:t.run}}function Cn(e,t,n,r){let i=new Set(r.map(({path:a})=>a)),o=n.find(({path:a})=>i.has(a));if(o===void 0)return;let s=`/${o.path} is a file that imgbuild makes for a service`;throw $(e,t.name,["contents"],s,"give yours another dst")}function ht(e,t){let n=new Map,r=[],i=new Set;for(let o of t)for(let{path:s,type:a}of o.entries){if(a==="directory")continue;let c=n.get(s);if(c===void 0){n.set(s,[o]);continue}let f=c.find(u=>Fn(u,o));if(c.push(o),f===void 0||i.has(`${f.name} ${o.name}`))continue;i.add(`${f.name} ${o.name}`);let d=`/${s} is also in ${f.name}, and dpkg gives a path to one package alone`;r.push($(e,o.name,[],d,Rn(s)))}return r}function Fn(e,t){return e.name!==t.name&&(e.architecture===t.architecture||e.architecture==="all"||t.architecture==="all")}function Rn(e){return e.endsWith("/docker_image")?"give one of the two a name of its own: run: { name: … }":"give it another dst in one of the two, or leave it out"}var yt=17e8;async function Ni(e){let{directory:t,progress:n,signal:r}=e,i=await Tn(e);await _n(t,{recursive:!0}).catch(s=>{throw re(t,s)});let o=[];for(let s of i){r?.throwIfAborted();for(let c of s.warnings)n.warn(c);let a=n.transfer(`packing ${s.fileName}`,s.size);try{let c=Ln(t,s.fileName),{size:f,sha256:d}=await Ne(c,s,{mtime:e.sourceDate??yt,signal:r,onBytes:u=>a.add(u)});o.push({name:s.name,file:c,version:s.version,architecture:s.architecture,size:f,sha256:d})}finally{a.end()}}return o}async function Tn(e){let{config:t,version:n,images:r}=e;pt(n,e.others??[]);let i={version:n,images:r,mtime:e.sourceDate??yt},o=[],s=[];for(let a of Bn(t,e.only))try{o.push(...await gt(t,a,i))}catch(c){if(c instanceof F)s.push(...c.failures);else if(c instanceof l)s.push(c);else throw c}if(s.push(...ht(t,o)),s.length===1)throw s[0];if(s.length>1)throw new F(s);return o}function Bn(e,t){if(t===void 0)return e.debs;let n=e.debs.map(({name:o})=>o),r=t.find(o=>!n.includes(o));if(r===void 0)return e.debs.filter(({name:o})=>t.includes(o));let i=le(r,n);throw new l({doing:`packing ${r}`,because:"the configuration names no such package",fix:i===void 0?`the packages are: ${n.join(", ")||"none"}`:`did you mean ${i}?`,kind:"input"})}function Ii(e){let t=e.SOURCE_DATE_EPOCH;if(!(t===void 0||t==="")){if(/^[0-9]{1,11}$/.test(t))return Number(t);throw new l({doing:"reading SOURCE_DATE_EPOCH",because:`${JSON.stringify(t)} is not a number of seconds since 1970`,fix:"unset it, or set it as in SOURCE_DATE_EPOCH=1700000000",kind:"input"})}}function ji(e,t){let n=e.debs.filter(({name:r})=>t===void 0||t.includes(r));return[...new Set(n.flatMap(({service:r})=>r===void 0?[]:[r]))]}async function Wi(e,t,n,r){let i=[];for(let o of t.layers.filter(({name:s})=>n.includes(s))){let s=`looking for the image of ${o.name} (${o.platform})`,a=`build it first: imgbuild build ${o.name}`;if(o.action==="build"){let f="it is not saved as it is declared now (`imgbuild plan` says why)";throw new l({doing:s,because:f,fix:a})}let c=await me(e.store,o.repository,o.fingerprint);if(c.kind!=="saved")throw new l({doing:s,because:c.kind==="broken"?c.why:"it is gone from the store",fix:a});i.push({layer:o.name,platform:ue(o.platform),config:c.manifest.config.digest,reference:An(e.config.store,o.repository,r)})}return i}function An(e,t,n){return`${[...e.kind==="registry"?[e.registry,...e.path===""?[]:[e.path]]:[],t].join("/")}:${n.replace(/^v/,"").replaceAll("+","_")}`}export{Ni as a,Tn as b,Ii as c,ji as d,Wi as e,An as f};
