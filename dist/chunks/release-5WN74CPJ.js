import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-6DMUTKTH.js";import"./chunk-K3CXAR7A.js";import"./chunk-3HFXVG6L.js";import"./chunk-2JMFT6HM.js";import"./chunk-FK3VD6NN.js";import"./chunk-QSDIIJEB.js";import"./chunk-2ZB7CX4D.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as openRelease};
