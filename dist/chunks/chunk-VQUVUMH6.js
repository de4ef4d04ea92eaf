import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a as o,b as s}from"./chunk-JA6OCYI4.js";var r=(n,t)=>e=>`\x1B[${n}m${e}\x1B[${t}m`;function m(n,t){let e=i=>i;return!n.isTTY||t.NO_COLOR||t.TERM==="dumb"?{red:e,green:e,yellow:e,dim:e,bold:e}:{red:r(31,39),green:r(32,39),yellow:r(33,39),dim:r(2,22),bold:r(1,22)}}function d(n,t){let e=String(n.line),i=n.text.slice(0,n.column-1).replaceAll(/[^\t]/g," "),u="^".repeat(Math.max(1,n.length)),g=" ".repeat(e.length);return[`${t.dim(`${g} |`)}`,`${t.dim(`${e} |`)} ${n.text}`,`${t.dim(`${g} |`)} ${i}${t.red(u)}`].join(`
`)}function c(n,t){let e=[`${t.red("error:")} ${n.doing}: ${n.because}`];return n.at&&(e[0]=`${t.bold(`${n.at.file}:${n.at.line}:${n.at.column}:`)} ${e[0]}`,e.push(d(n.at,t))),n.fix!==void 0&&e.push(`${t.green("next:")} ${n.fix}`),e.join(`
`)}function a(n,t){if(n instanceof s)return n.failures.map(i=>c(i,t)).join(`

`);if(n instanceof o)return c(n,t);if(n instanceof AggregateError)return n.errors.map(i=>a(i,t)).join(`

`);let e=n instanceof Error?`${n.name}: ${n.message}`:String(n);return[`${t.red("error:")} imgbuild met something it does not expect: ${e}`,`${t.green("next:")} run again with IMGBUILD_DEBUG=1 for the place, and report it with what you see`].join(`
`)}function x(n){return n instanceof o||n instanceof s?n.exitCode:1}export{m as a,a as b,x as c};
