import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{a as r}from"./chunk-JA6OCYI4.js";var s=class extends r{};export{s as a};
