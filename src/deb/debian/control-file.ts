import { troubleAt } from '../draft.ts';
import type { TextFile } from './text-file.ts';

export interface ControlField {
  /** As written, without the colon. */
  name: string;
  /** With line breaks where it has several lines; each without its first space. */
  value: string;
  line: number;
}

/** A paragraph of debian/control (deb-src-control(5)). Names of fields are lower case. */
export interface ControlStanza {
  fields: Map<string, ControlField>;
  line: number;
  /** `#Package:` and what follows it: a package that is kept, but not made. */
  commented: boolean;
}

export interface ControlFile {
  source: ControlStanza;
  packages: ControlStanza[];
}

/** Reads debian/control. Throws a Failure at the line that is wrong. */
export function parseControlFile(file: TextFile): ControlFile {
  const stanzas: ControlStanza[] = [];
  let current: ControlStanza | undefined;
  let commented: ControlStanza | undefined;
  let last: ControlField | undefined;

  const addField = (stanza: ControlStanza, text: string, line: number) => {
    const match = /^([!-,.-9;-~][!-9;-~]*):[ \t]*(.*?)[ \t]*$/.exec(text);
    if (match === null) return undefined;
    const [, name, value] = match as unknown as [string, string, string];
    const field = { name, value, line };
    if (stanza.fields.has(name.toLowerCase())) {
      throw troubleAt(file.at(line), `the field ${name} stands in this paragraph twice`, 'keep one of the two');
    }
    stanza.fields.set(name.toLowerCase(), field);
    return field;
  };

  for (const [index, row] of file.lines.entries()) {
    const line = index + 1;
    if (row.startsWith('#')) {
      const text = row.slice(1);
      if (/^Package:/i.test(text)) {
        commented = { fields: new Map(), line, commented: true };
        stanzas.push(commented);
        last = addField(commented, text, line);
      } else if (commented !== undefined && current === undefined) {
        // `# text` goes on with the field above, as ` text` does.
        if (/^[ \t]+\S/.test(text) && last !== undefined) last.value += `\n${text.slice(1)}`;
        else last = addField(commented, text, line) ?? last;
      }
      continue;
    }
    if (row.trim() === '') {
      current = undefined;
      continue;
    }
    if (/^[ \t]/.test(row)) {
      if (current === undefined || last === undefined) {
        throw troubleAt(
          file.at(line),
          'this line goes on with no field',
          'begin it with FIELD:, or remove its first space',
        );
      }
      last.value += `\n${row.slice(1).trimEnd()}`;
      continue;
    }
    if (current === undefined) {
      current = { fields: new Map(), line, commented: false };
      stanzas.push(current);
    }
    commented = undefined;
    last = addField(current, row, line);
    if (last === undefined) throw troubleAt(file.at(line), 'this is no field', 'write FIELD: VALUE');
  }

  const source = stanzas.find(({ fields, commented: off }) => !off && fields.has('source'));
  if (source === undefined) {
    throw troubleAt(file.at(1), 'there is no paragraph with Source:', 'begin the file with Source: NAME');
  }
  const packages = stanzas.filter((stanza) => stanza !== source);
  const nameless = packages.find(({ fields }) => (fields.get('package')?.value ?? '') === '');
  if (nameless !== undefined) {
    throw troubleAt(file.at(nameless.line), 'this paragraph has no Package:', 'write Package: NAME');
  }
  return { source, packages };
}
