import { createHash } from 'node:crypto';
import type { Input } from './input.ts';

/**
 * Raised whenever the list or its encoding changes its meaning: every layer is then built once more, with the reason
 * `tool-changed`. It stands in the list itself, as the input `tool`.
 */
export const inputsVersion = '1';

/**
 * One line of the input manifest: JSON with sorted keys, so that equal inputs are equal bytes.
 * docs/fingerprints.md lists the kinds.
 */
export function inputLine(input: Input): string {
  // A chain has hundreds of thousands of files: their lines are written by hand, everything else by its sorted keys.
  if (input.kind === 'file') {
    return `{"hash":"${input.hash}","kind":"file","mode":"${input.mode}","path":${JSON.stringify(input.path)}}`;
  }
  return JSON.stringify(input, Object.keys(input).toSorted());
}

/** The lines in their order: by UTF-16 code units, each once. */
export function inputLines(inputs: readonly Input[]): string[] {
  const lines = inputs.map(inputLine).toSorted();
  return lines.filter((line, index) => line !== lines[index - 1]);
}

/** sha256, 64 hex digits, of the sorted lines, each ended by a newline, as UTF-8. */
export function fingerprintOf(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (let start = 0; start < lines.length; start += 4096) {
    hash.update(`${lines.slice(start, start + 4096).join('\n')}\n`);
  }
  return hash.digest('hex');
}

/** Reads the lines of a kept input manifest back. Unknown kinds, of a newer version, are kept as they are. */
export function parseInputLines(text: string): Input[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Input);
}
