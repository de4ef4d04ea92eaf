import { compareDebianVersions } from '../deb/version.ts';
import { fieldOf, formatParagraph, type Paragraph } from './paragraph.ts';
import { parseControl } from './read-deb.ts';

/** A package as an index lists it. */
export interface IndexedPackage {
  name: string;
  version: string;
  architecture: string;
  /** Below the archive's root, or below that of the release assets. */
  filename: string;
  /** Bytes. */
  size: number;
  /** 64 hex digits. */
  sha256: string;
  /** Its paragraph of the index, with the last newline: kept as it was first written. */
  text: string;
}

/** Fields of an index that a control file must not bring along. */
const ofIndex = new Set(['filename', 'size', 'md5sum', 'sha1', 'sha256', 'sha512', 'description-md5']);

/** Lists a package that was read: its control file, and where and what its file is. */
export function indexPackage(
  control: Paragraph,
  file: { filename: string; size: number; sha256: string },
): IndexedPackage {
  const own = control.filter(({ name }) => !ofIndex.has(name.toLowerCase()));
  const added = [
    { name: 'Filename', value: file.filename },
    { name: 'Size', value: String(file.size) },
    { name: 'SHA256', value: file.sha256 },
  ];
  const description = own.findIndex(({ name }) => name.toLowerCase() === 'description');
  const paragraph = own.toSpliced(description === -1 ? own.length : description, 0, ...added);
  const value = (name: string) => fieldOf(control, name) ?? '';
  return {
    name: value('Package'),
    version: value('Version'),
    architecture: value('Architecture'),
    ...file,
    text: formatParagraph(paragraph),
  };
}

/** Reads an index, `Packages`. Throws a RangeError on a paragraph that lists no file. */
export function parsePackages(text: string): IndexedPackage[] {
  return text
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => {
      const lines = `${paragraph.replace(/^\n+|\n+$/g, '')}\n`;
      const { name, version, architecture, control: fields } = parseControl(lines);
      const filename = fieldOf(fields, 'Filename');
      const size = fieldOf(fields, 'Size') ?? '';
      const sha256 = fieldOf(fields, 'SHA256') ?? '';
      if (
        filename === undefined ||
        !isPlainPath(filename) ||
        !/^[0-9]{1,15}$/.test(size) ||
        !/^[0-9a-f]{64}$/.test(sha256)
      )
        throw new RangeError(`${name} ${version} is listed without a file of its own`);
      return { name, version, architecture, filename, size: Number(size), sha256, text: lines };
    });
}

/** Whether a path stays below the folder that it is joined to. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !path.includes('\\');
}

/** The index of these packages, by name, architecture and version, the newest first. */
export function formatPackages(packages: readonly IndexedPackage[]): string {
  return packages
    .toSorted(comparePackages)
    .map(({ text }) => text)
    .join('\n');
}

export function comparePackages(a: IndexedPackage, b: IndexedPackage): number {
  return (
    compareText(a.name, b.name) ||
    compareText(a.architecture, b.architecture) ||
    compareDebianVersions(b.version, a.version) ||
    compareText(b.version, a.version)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What there can be only one of in a suite. */
export function identityOf({
  name,
  version,
  architecture,
}: Pick<IndexedPackage, 'name' | 'version' | 'architecture'>): string {
  return `${name} ${version} ${architecture}`;
}
