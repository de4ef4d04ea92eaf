import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-CZVQDZXO.js";import"./chunk-V5QDTC3N.js";import"./chunk-EHSGCZDH.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as readModels};
