import type { SourceLocation } from '../failure.ts';

/** `# syntax=`, `# escape=`, `# check=`: they stand before everything else (comments and blank lines included). */
export interface Directive {
  name: 'syntax' | 'escape' | 'check';
  value: string;
  at: SourceLocation;
}

const pattern = /^(#|\/\/)\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.*?)\s*$/;
const known = ['syntax', 'escape', 'check'] as const;

/** The directive that a line is, if it is one. `mark` is what begins a comment. */
export function directiveOf(line: string, mark: '#' | '//'): { name: Directive['name']; value: string } | undefined {
  const found = pattern.exec(line);
  if (!found || found[1] !== mark || found[3] === '') return undefined;
  const name = known.find((one) => one === found[2]!.toLowerCase());
  return name && { name, value: found[3]! };
}

/**
 * The frontend that a Dockerfile asks for: `# syntax=REFERENCE`, also behind a `#!` line; `// syntax=` for languages
 * whose comments look so. Only the first word of the value counts.
 */
export function syntaxOf(lines: readonly string[], at: (line: number) => SourceLocation): Directive | undefined {
  const first = lines[0]?.startsWith('#!') ? 1 : 0;
  for (const mark of ['#', '//'] as const) {
    for (let line = first; line < lines.length; line++) {
      const directive = directiveOf(lines[line]!, mark);
      if (!directive) break;
      if (directive.name === 'syntax') {
        return { name: 'syntax', value: directive.value.split(' ')[0]!, at: at(line) };
      }
    }
  }
  return undefined;
}
