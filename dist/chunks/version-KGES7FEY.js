import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a,b,c,d,e,f,g,h}from"./chunk-FMAA66LB.js";import"./chunk-NWE56INQ.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{h as aliasesOf,e as compareVersions,d as isPreRelease,a as parseVersion,f as previousOf,c as versionOfTag,b as versionTag,g as versionsBefore};
