import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
var f=Buffer.from(`!<arch>
`,"latin1"),u=60,s=9999999999;function c(n,o,a){let r=(e,t)=>{if(e.length>t)throw new RangeError(`${e} has no room in the ${t} bytes of an ar header`);return e.padEnd(t," ")},i=[r(n,16),r(String(a),12),r("0",6),r("0",6),r("100644",8),r(String(o),10),"`\n"].join("");return Buffer.from(i,"latin1")}function d(n){return n%2}export{f as a,u as b,s as c,c as d,d as e};
