import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a,b,c,d}from"./chunk-YMG2GM6U.js";import"./chunk-VYCS3QW4.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as defaultState,c as readCurrent,b as stateFolder,d as writeCurrent};
