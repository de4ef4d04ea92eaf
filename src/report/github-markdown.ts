/** GitHub drops the whole summary of a step that is larger. In bytes. */
export const largestSummary = 1024 * 1024;

/** Joins the parts that fit; says so where some do not. */
export function sections(parts: readonly string[], limit: number = largestSummary): string {
  const note = '_The rest is too large for this page; the log has it all._\n';
  const room = limit - Buffer.byteLength(note) - 2;
  let page = '';
  for (const part of parts) {
    if (part === '') continue;
    const next = page === '' ? `${part}\n` : `${page}\n${part}\n`;
    if (Buffer.byteLength(next) > room) return `${page}\n${note}`;
    page = next;
  }
  return page;
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text of the user's as it is: nothing in it may become markup, a mention or a new cell. */
export function text(raw: string): string {
  return raw
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_[\]|#~@]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

export function code(raw: string): string {
  return raw === '' ? '' : `<code>${text(raw)}</code>`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
