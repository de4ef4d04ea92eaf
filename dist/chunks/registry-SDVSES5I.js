import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-TDICU265.js";import"./chunk-ELWRSYWU.js";import"./chunk-UQMWS4RE.js";import"./chunk-EB3O46ZF.js";import"./chunk-ZAVLGJHH.js";import"./chunk-FK3VD6NN.js";import"./chunk-2ZB7CX4D.js";import"./chunk-JA6OCYI4.js";import"./chunk-YMZWJLKE.js";export{a as RegistryStore};
