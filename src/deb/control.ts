import { isDebianVersion, isPackageName } from './relation.ts';

/** The fields of a binary package's control file (deb-control(5)), checked by `formatControl`. */
export interface ControlFields {
  package: string;
  version: string;
  architecture: string;
  maintainer: string;
  /** KiB; see `installedSize`. */
  installedSize: number;
  section: string;
  /** Each one entry: alternatives and all, formatted. */
  depends: string[];
  recommends: string[];
  conflicts: string[];
  replaces: string[];
  provides: string[];
  preDepends?: string[];
  suggests?: string[];
  enhances?: string[];
  breaks?: string[];
  source?: string;
  priority?: string;
  multiArch?: string;
  homepage?: string;
  /** One line. */
  synopsis: string;
  /** Paragraphs and lines below it. */
  extended: string;
}

/**
 * The control file's text. Throws a RangeError on a value that would end its field or begin another: the caller, who
 * knows where it was written, has refused it before.
 */
export function formatControl(fields: ControlFields): string {
  if (!isPackageName(fields.package)) throw new RangeError(`not a package name: ${JSON.stringify(fields.package)}`);
  if (!isDebianVersion(fields.version)) throw new RangeError(`not a Debian version: ${JSON.stringify(fields.version)}`);
  const list = (entries: string[] = []) => (entries.length === 0 ? undefined : entries.join(', '));
  const lines: [string, string | undefined][] = [
    ['Package', fields.package],
    ['Source', fields.source],
    ['Version', fields.version],
    ['Architecture', fields.architecture],
    ['Maintainer', fields.maintainer],
    ['Installed-Size', String(fields.installedSize)],
    ['Pre-Depends', list(fields.preDepends)],
    ['Depends', list(fields.depends)],
    ['Recommends', list(fields.recommends)],
    ['Suggests', list(fields.suggests)],
    ['Enhances', list(fields.enhances)],
    ['Breaks', list(fields.breaks)],
    ['Conflicts', list(fields.conflicts)],
    ['Replaces', list(fields.replaces)],
    ['Provides', list(fields.provides)],
    ['Section', fields.section],
    ['Priority', fields.priority ?? 'optional'],
    ['Multi-Arch', fields.multiArch],
    ['Homepage', fields.homepage],
    ['Description', fields.synopsis],
  ];
  const text = lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${oneLine(name, value!)}`);
  return [...text, ...extendedLines(fields.extended), ''].join('\n');
}

/** A problem of a value that stands on one line of the control file; undefined where there is none. */
export function problemOfLine(value: string): string | undefined {
  if (value.trim() === '') return 'it is empty';
  if (/[\n\r]/.test(value)) return 'it has a line break, which would begin another field';
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) return 'it has a control character';
  return undefined;
}

/** `NAME <ADDRESS>` (debian-policy 5.6.2). */
export function problemOfMaintainer(value: string): string | undefined {
  const line = problemOfLine(value);
  if (line !== undefined) return line;
  return /^[^<>,]*[^<>,\s] <[^\s<>@]+@[^\s<>@]+>$/.test(value) ? undefined : 'it is not NAME <ADDRESS>';
}

/** `SECTION` or `AREA/SECTION` (debian-policy 2.4). */
export function problemOfSection(value: string): string | undefined {
  return /^(?:[a-z]+(?:-[a-z]+)*\/)?[a-z]+(?:-[a-z]+)*$/.test(value) ? undefined : 'it is not a section, as in misc';
}

/** A name of dpkg's: `amd64`, `all`; wildcards (`linux-any`) name no binary package. */
export function problemOfArchitecture(value: string): string | undefined {
  return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(value) && !value.includes('-any')
    ? undefined
    : 'it is not an architecture, as in amd64 or all';
}

/** First line and the rest. */
export function splitDescription(text: string): { synopsis: string; extended: string } {
  const [synopsis = '', ...rest] = text.trim().split(/\r?\n/);
  return { synopsis: synopsis.trim(), extended: rest.join('\n').trim() };
}

/**
 * KiB that the package takes when installed, as dpkg-gencontrol counts (deb-substvars(5), Installed-Size): each file
 * rounded up to whole KiB, one for anything else.
 */
export function installedSize(sizes: Iterable<{ type: string; size: number }>): number {
  let total = 0;
  for (const { type, size } of sizes) total += type === 'file' ? Math.ceil(size / 1024) : 1;
  return total;
}

function oneLine(name: string, value: string): string {
  const problem = problemOfLine(value);
  if (problem !== undefined) throw new RangeError(`${name}: ${problem}: ${JSON.stringify(value)}`);
  return value.trim();
}

function extendedLines(text: string): string[] {
  if (text === '') return [];
  return text.split('\n').map((line) => {
    const trimmed = line.trimEnd();
    if (trimmed === '') return ' .';
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(trimmed)) {
      throw new RangeError(`Description: it has a control character: ${JSON.stringify(line)}`);
    }
    return ` ${trimmed}`;
  });
}
