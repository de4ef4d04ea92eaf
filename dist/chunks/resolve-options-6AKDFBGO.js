import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-EIWL4NW3.js";import"./chunk-TN6MP45O.js";import"./chunk-EHSGCZDH.js";import"./chunk-76M53WAM.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as resolveOptions};
