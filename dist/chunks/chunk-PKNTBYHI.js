import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
import{c as e}from"./chunk-2ZB7CX4D.js";import{Readable as f}from"node:stream";function n(r){let t=(o=0)=>f.from([Buffer.from(r.buffer,r.byteOffset+o,r.length-o)]);return{digest:e(r),size:r.length,open:t}}export{n as a};
