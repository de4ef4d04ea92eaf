import { cleanPath } from './go-path.ts';

// Go's unicode.IsSpace; JavaScript's trim would also take U+FEFF.
const space = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const outerSpace = new RegExp(`^${space}+|${space}+$`, 'gu');

export interface IgnoreLine {
  /** Counts from 1. */
  line: number;
  pattern: string;
}

/** The patterns of a .dockerignore as Docker reads it: BOM, comments, `!`, leading slashes, cleaned paths. */
export function parseIgnoreFile(text: string): IgnoreLine[] {
  const lines: IgnoreLine[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (raw.startsWith('#')) continue;
    let pattern = raw.replace(outerSpace, '');
    if (pattern === '') continue;
    const exception = pattern.startsWith('!');
    if (exception) pattern = pattern.slice(1).replace(outerSpace, '');
    if (pattern !== '') {
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1);
    }
    lines.push({ line: index + 1, pattern: exception ? `!${pattern}` : pattern });
  }
  return lines;
}
