import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-ILEJS57O.js";import"./chunk-WGXH7BSD.js";import"./chunk-OBSIN4RY.js";import"./chunk-ZAVLGJHH.js";import"./chunk-FK3VD6NN.js";import"./chunk-2ZB7CX4D.js";import"./chunk-YMZWJLKE.js";export{a as OverlayStore};
