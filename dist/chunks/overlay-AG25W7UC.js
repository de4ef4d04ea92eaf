import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-T3OHMV5U.js";import"./chunk-EMKZBLLO.js";import"./chunk-OBSIN4RY.js";import"./chunk-SNSEH2U3.js";import"./chunk-TJ3XZNBY.js";import"./chunk-2ZB7CX4D.js";import"./chunk-YMZWJLKE.js";export{a as OverlayStore};
