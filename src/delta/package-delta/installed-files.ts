import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readTar } from '../../tar/extract.ts';
import { blockSize, encodeHeader, padding } from '../../tar/header.ts';
import { encodedNameSize } from '../../tar/name.ts';
import { isPlainFile, pathParts } from '../locate-entries.ts';
import type { StoredTar, UnpackedPackage } from './plain-package.ts';

/** A file that dpkg has installed of a package, as the package has it. */
export interface InstalledFile {
  /** Below the root; `DEBIAN/NAME` for what dpkg keeps of its control archive. */
  path: string;
  size: number;
  mode: number;
  /** Seconds. */
  mtime: number;
  /** The first bytes of its sha256: they tell which file was altered. What is made of it is judged by a whole one. */
  sum: Buffer;
}

/** A file, and where its contents lie in an unpacked package. */
export interface PlacedFile extends InstalledFile {
  tar: StoredTar;
  start: number;
}

export const sumSize = 8;
export const pathLimit = 1024;
export const controlFolder = 'DEBIAN';
/** What dpkg keeps as it was, of what is in a control archive. */
const kept = new Set([
  'preinst',
  'postinst',
  'prerm',
  'postrm',
  'config',
  'templates',
  'triggers',
  'shlibs',
  'symbols',
  'md5sums',
]);
/** What devices with little room leave out (`path-exclude` of dpkg.cfg): a delta that reads it would be no good there. */
const leftOut = ['doc', 'doc-base', 'gtk-doc', 'help', 'info', 'lintian', 'locale', 'man'].map(
  (name) => `usr/share/${name}/`,
);
/** Smaller files cost less as they are than to say what they were. */
const smallest = 32;
/** The size field of a tar header has eleven octal digits. */
const largest = 8 ** 11 - 1;

/**
 * The files of a package that a device has as they were packed: neither settings, which belong to the device's owner, nor what
 * devices often leave out. In the order of the package.
 */
export async function installedFiles({ control, data }: UnpackedPackage): Promise<PlacedFile[]> {
  const files: PlacedFile[] = [];
  let settings = '';
  for await (const { path, contents, file } of filesOf(control)) {
    if (path === 'conffiles') settings = (await gather(contents())).toString('utf8');
    else if (kept.has(path) && file.size >= smallest)
      files.push({ ...file, path: `${controlFolder}/${path}`, sum: await sumOf(contents()) });
  }
  // deb-conffiles(5): a line may begin with a flag.
  const paths = settings
    .split('\n')
    .map((line) => pathParts(line.replace(/^[a-z-]+ +(?=\/)/, '').trimEnd())?.join('/'));
  const excluded = new Set(paths);
  const seen = new Set<string>();
  for await (const { path, contents, file } of filesOf(data)) {
    const isSource = file.size >= smallest && !excluded.has(path) && !leftOut.some((folder) => path.startsWith(folder));
    if (!isSource || seen.has(path) || path.startsWith(`${controlFolder}/`)) continue;
    seen.add(path);
    files.push({ ...file, path, sum: await sumOf(contents()) });
  }
  return files;
}

async function* filesOf(tar: StoredTar) {
  for await (const entry of readTar(createReadStream(tar.path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>)) {
    const { size, mode, mtime, name } = entry.header;
    const path = pathParts(name)?.join('/');
    if (path === undefined || !isPlainFile(entry) || size > largest || encodedNameSize(path) > pathLimit) continue;
    const seconds = Number.isInteger(mtime) && mtime >= 0 && mtime <= largest ? mtime : 0;
    const file = { size, mode, mtime: seconds, tar, start: entry.contentStart };
    yield { path, contents: () => entry.contents(), file };
  }
}

/**
 * The installed files as one tar, as a device makes it: what a package delta reads from. `contents` gives those of a file.
 */
export async function* installedTar<File extends InstalledFile>(
  files: readonly File[],
  contents: (file: File) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  for (const file of files) {
    yield installedHeader(file);
    for await (const chunk of contents(file)) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    yield Buffer.alloc(padding(file.size));
  }
  yield Buffer.alloc(2 * blockSize);
}

/** The contents of a file of an unpacked package. */
export function placedContents({ tar, start, size }: PlacedFile): AsyncIterable<Buffer> {
  return createReadStream(tar.path, { start, end: start + size - 1, highWaterMark: 2 ** 20 });
}

function installedHeader({ path, size, mode, mtime }: InstalledFile): Buffer {
  return encodeHeader({
    name: `./${path}`,
    type: 'file',
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime,
    linkName: '',
    userName: 'root',
    groupName: 'root',
    deviceMajor: 0,
    deviceMinor: 0,
  });
}

async function gather(contents: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of contents) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function sumOf(contents: AsyncIterable<Buffer>): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of contents) hash.update(chunk);
  return hash.digest().subarray(0, sumSize);
}
