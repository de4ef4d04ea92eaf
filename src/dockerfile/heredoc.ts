import { expand, ExpandError, type ExpandOptions } from './expand.ts';

/** `<<EOF`, `<<-EOF`, `<<"EOF"` and what stands below it. */
export interface Heredoc {
  name: string;
  /** False when a part of the name is quoted: variables stay as they are. */
  expands: boolean;
  /** `<<-`: tabs in front of the lines do not count. */
  tabs: boolean;
  /** With its line ends, without the line that ends it. */
  body: string;
}

const unset = () => undefined;
const raw: ExpandOptions = { escape: '\\', rawQuotes: true, rawEscapes: true, skipUnset: true };
const plain: ExpandOptions = { escape: '\\', skipUnset: true };

function quotesIn(text: string): number {
  return text.split(/['"]/).length - 1;
}

/** The heredoc that a word begins, its body still empty. */
export function heredocOf(word: string): Heredoc | undefined {
  const found = /^\d*<<(-?)[\t\n\f\r ]*([^<]*)$/.exec(word);
  const written = found?.[2];
  if (!written) return undefined;
  const [name, ...others] = expand(written, unset, plain).words;
  if (name === undefined || others.length > 0) return undefined;
  const kept = expand(written, unset, { ...plain, rawQuotes: true }).words[0] ?? '';
  return { name, expands: quotesIn(name) === quotesIn(kept), tabs: found![1] === '-', body: '' };
}

/** The heredocs that an instruction's line begins, in order. A line whose quotes do not close begins none. */
export function heredocsOf(line: string): Heredoc[] {
  if (!line.includes('<<')) return [];
  let words: string[];
  try {
    words = expand(line, unset, raw).words;
  } catch (error) {
    if (error instanceof ExpandError) return [];
    throw error;
  }
  return words.flatMap((word) => heredocOf(word) ?? []);
}
