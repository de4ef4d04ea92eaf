import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-2BQSPTQH.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as connectEngine};
