import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{b as d,c as f}from"./chunk-4BTO4RMZ.js";import{a as l}from"./chunk-JA6OCYI4.js";async function g(n,e,o={}){let{input:r,onStdoutLine:i,...s}=o,t=f(n,e,s),a=[],u=i&&d(i);t.stdout.on("data",c=>u?u.push(c):a.push(c)),t.stdin.end(r);let p=await t.exited;return u?.end(),{exitCode:p,stdout:Buffer.concat(a),stderr:t.stderr()}}async function S(n,e,o={}){let{exitCode:r,stdout:i,stderr:s}=await g(n,e,o);if(r===0)return i.toString("utf8");let t=s.trim().split(`
`).slice(-5).join(`
`)||i.toString("utf8").trim().split(`
`).slice(-5).join(`
`);throw new l({doing:`running ${n} ${e.join(" ")}`,because:`exit code ${r}: ${t}`,fix:`mend what ${n} says, and run it again`})}export{g as a,S as b};
