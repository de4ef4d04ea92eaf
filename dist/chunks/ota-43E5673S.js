import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a,b,c,d}from"./chunk-75LWTUVW.js";import"./chunk-IDCM7I6B.js";import"./chunk-YMZWJLKE.js";export{d as renderApplied,a as renderDelta,b as renderInspected,c as renderVerified};
