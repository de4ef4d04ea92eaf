import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{mkdir as n,writeFile as a}from"node:fs/promises";import{join as e}from"node:path";async function g(r,...o){let i=e(r,".imgbuild",...o);await n(i,{recursive:!0});try{await a(e(r,".imgbuild/.gitignore"),`*
`,{flag:"wx"})}catch(t){if(t.code!=="EEXIST")throw t}return i}export{g as a};
