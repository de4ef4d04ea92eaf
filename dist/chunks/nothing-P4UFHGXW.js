import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a}from"./chunk-6IWWN5DG.js";import"./chunk-YMZWJLKE.js";export{a as nothing};
