import type { LineReader } from './lines.ts';

/** The text after `help`: it lasts as long as lines are indented as its first one is, blank ones among them. */
export function readHelp(reader: LineReader): string {
  const lines: string[] = [];
  let indent = 0;
  for (let row = reader.peekRow(); row !== undefined; row = reader.peekRow()) {
    const text = expandTabs(row);
    if (text.trim() === '') {
      reader.takeRow();
      if (lines.length > 0) lines.push('');
      continue;
    }
    const depth = text.length - text.trimStart().length;
    if (lines.length === 0) indent = depth;
    if (depth === 0 || depth < indent) break;
    reader.takeRow();
    lines.push(text.slice(indent));
  }
  return lines.join('\n').trimEnd();
}

/** Tabs go to the next multiple of eight. */
function expandTabs(row: string): string {
  let text = '';
  for (const character of row) text += character === '\t' ? ' '.repeat(8 - (text.length % 8)) : character;
  return text;
}
