import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{k as e}from"./chunk-2ER5REWO.js";function o(r,i){return e({name:r,type:"file",mode:420,uid:0,gid:0,size:i,mtime:0,linkName:"",userName:"",groupName:"",deviceMajor:0,deviceMinor:0})}export{o as a};
