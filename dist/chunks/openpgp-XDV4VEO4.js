import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a,b,c,d,e}from"./chunk-MHOKHJM7.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{c as findSigningKey,b as passphraseVariable,d as readSigningKey,a as signingKeyVariable,e as verifyDetached};
