/** One paragraph of deb822(5): fields in their order, names as written. */
export type Paragraph = { name: string; value: string }[];

/**
 * Reads one paragraph. A value of several lines keeps them with the space they begin with, as they would be written
 * again. Throws a RangeError that says what is wrong: what is let through here stands in an index beside others.
 */
export function parseParagraph(text: string): Paragraph {
  const fields: Paragraph = [];
  const seen = new Set<string>();
  const lines = text.replace(/\n+$/, '').split('\n');
  for (const [index, line] of lines.entries()) {
    const at = `line ${index + 1}`;
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) throw new RangeError(`${at} has a control character`);
    if (line.trim() === '') throw new RangeError(`${at} is empty, which would end the paragraph`);
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const last = fields.at(-1);
      if (last === undefined) throw new RangeError(`${at} continues a field, and there is none`);
      last.value += `\n${line}`;
      continue;
    }
    // deb822(5): printable ASCII without space and colon, not beginning with # or -.
    const match = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line);
    if (match === null || /^[#-]/.test(line)) throw new RangeError(`${at} is not a field: ${quote(line)}`);
    const name = match[1]!;
    if (seen.has(name.toLowerCase())) throw new RangeError(`${at} has the field ${name} for the second time`);
    seen.add(name.toLowerCase());
    fields.push({ name, value: match[2]!.trimEnd() });
  }
  return fields;
}

export function fieldOf(paragraph: Paragraph, name: string): string | undefined {
  return paragraph.find((field) => field.name.toLowerCase() === name.toLowerCase())?.value;
}

/** The paragraph's text, each line ended. */
export function formatParagraph(paragraph: Paragraph): string {
  return paragraph
    .map(({ name, value }) => (value === '' || value.startsWith('\n') ? `${name}:${value}\n` : `${name}: ${value}\n`))
    .join('');
}

function quote(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}
