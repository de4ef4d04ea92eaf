import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
var e={name:"none",version:"none",images:[],async close(){}};export{e as a};
