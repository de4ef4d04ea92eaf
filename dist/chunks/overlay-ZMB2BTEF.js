import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-JOHXKTJW.js";import"./chunk-FK3VD6NN.js";import"./chunk-YMZWJLKE.js";export{a as OverlayStore};
