import { fieldOf, parseParagraph } from './paragraph.ts';

/** A file that a Release lists, by its path below the Release. */
export interface ReleaseEntry {
  path: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

/** What a Release says (the fields of apt's that we write). */
export interface Release {
  origin: string;
  suite: string;
  date: Date;
  validUntil: Date | undefined;
  architectures: readonly string[];
  entries: readonly ReleaseEntry[];
}

export function formatRelease(release: Release): string {
  const { origin, suite, date, validUntil, architectures, entries } = release;
  return [
    `Origin: ${origin}`,
    `Label: ${origin}`,
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Date: ${formatDate(date)}`,
    ...(validUntil === undefined ? [] : [`Valid-Until: ${formatDate(validUntil)}`]),
    'Acquire-By-Hash: yes',
    `Architectures: ${architectures.join(' ')}`,
    'Components: main',
    `Description: packages of ${origin}`,
    'SHA256:',
    ...entries.map(({ sha256, size, path }) => ` ${sha256} ${size} ${path}`),
    '',
  ].join('\n');
}

/** Throws a RangeError that says what is wrong. */
export function parseRelease(text: string): Release {
  const fields = parseParagraph(text);
  const value = (name: string) => {
    const given = fieldOf(fields, name);
    if (given === undefined) throw new RangeError(`it has no ${name}`);
    return given;
  };
  const date = (name: string, given: string) => {
    const parsed = new Date(given);
    if (Number.isNaN(parsed.getTime())) throw new RangeError(`its ${name} is no date`);
    return parsed;
  };
  const validUntil = fieldOf(fields, 'Valid-Until');
  const architectures = value('Architectures').split(/\s+/);
  if (!architectures.every((each) => /^[a-z0-9][a-z0-9-]*$/.test(each)))
    throw new RangeError('its Architectures are damaged');
  const entries = value('SHA256')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const match = /^\s*([0-9a-f]{64})\s+([0-9]{1,15})\s+(\S+)$/.exec(line);
      if (match === null) throw new RangeError('a line of its SHA256 is damaged');
      return { sha256: match[1]!, size: Number(match[2]), path: match[3]! };
    });
  return {
    origin: value('Origin'),
    suite: value('Suite'),
    date: date('Date', value('Date')),
    validUntil: validUntil === undefined ? undefined : date('Valid-Until', validUntil),
    architectures,
    entries,
  };
}

/** RFC 5322 in UTC, whole seconds, as apt reads it. */
function formatDate(date: Date): string {
  return date.toUTCString().replace('GMT', 'UTC');
}
