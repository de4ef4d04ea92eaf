import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{b as o}from"./chunk-BG52S6SR.js";import{d as r}from"./chunk-YMZWJLKE.js";var w=r(o(),1);
