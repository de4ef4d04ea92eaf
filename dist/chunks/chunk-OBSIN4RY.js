import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
var e={note(){},warn(){},transfer:()=>({add(){},end(){}})};export{e as a};
