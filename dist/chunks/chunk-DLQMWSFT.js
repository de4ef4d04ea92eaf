import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);
var s=/^[ !#-[\]-\uD7FF\uE000-\uFFFF]*$/;function r({hash:t,mode:i,path:e}){let n=s.test(e)?`"${e}"`:JSON.stringify(e);return`{"hash":"${t}","kind":"file","mode":"${i}","path":${n}}`}function o(t){return t.kind==="file"?r(t):JSON.stringify(t,Object.keys(t).toSorted())}function*l(t,i){let e=[...new Set(t.map(o))].toSorted().map(n=>`${n}
`).join("");for(let n of i)e+=`${r(n)}
`,!(e.length<65536)&&(yield e,e="");yield e}export{o as a,l as b};
