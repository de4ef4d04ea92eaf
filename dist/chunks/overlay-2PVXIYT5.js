import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-DADEANGK.js";import"./chunk-IOX3FJQ2.js";import"./chunk-OBSIN4RY.js";import"./chunk-XZODWQBA.js";import"./chunk-2GIMWHVQ.js";import"./chunk-2ZB7CX4D.js";import"./chunk-YMZWJLKE.js";export{a as OverlayStore};
