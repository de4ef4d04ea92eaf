import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-56DT2JXE.js";import"./chunk-66P4WXJK.js";import"./chunk-YMZWJLKE.js";export{a as renderPlan};
