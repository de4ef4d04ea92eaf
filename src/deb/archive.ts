import { Failure } from '../failure.ts';
import type { TarHeader } from '../tar/header.ts';
import { after, archiveSize, writeArchive, type TarEntry } from '../tar/pack.ts';
import { arHeader, arHeaderSize, arMagic, arMaxSize, arPadding } from './ar.ts';
import { dataMember, isSlow, startCompressor, type Compression, type Zstd } from './compression.ts';
import { textFile, withParents, type FileEntry, type FileOnDisk, type PackageEntry } from './entry.ts';
import { isLate, tarOwner, type Owner } from './owner.ts';
import { compressedControl, storedControl } from './control-member.ts';
import { ContentSums } from './content-sums.ts';
import { md5OfNothing, openContents } from './file-contents.ts';
import { startHasher } from './hasher.ts';
import { writeWhole, type OutputFile } from './output-file.ts';
import { storedGzipSize } from './stored-gzip.ts';

/** A package, laid out: nothing of its files has been read yet. */
export interface PackageLayout {
  /** Text of `control`. */
  control: string;
  conffiles: readonly string[];
  /** preinst, postinst, prerm, postrm: texts of programs. */
  scripts: Readonly<Partial<Record<'preinst' | 'postinst' | 'prerm' | 'postrm', string>>>;
  /** deb-triggers(5). */
  triggers?: string;
  /** With a folder for every parent, sorted: see `withParents`. */
  entries: readonly PackageEntry[];
  compression: Compression;
}

export interface WriteOptions {
  /** Seconds: the time of every entry and member. */
  mtime: number;
  signal?: AbortSignal | undefined;
  /** Node's own where absent. */
  zstd?: Zstd;
  /** Bytes of files as they are read. */
  onBytes?: (count: number) => void;
  /** Told the sha256 (hex) of each file on disk, which is not worked out where this is absent. */
  onFile?: ((file: FileOnDisk, sha256: string) => void) | undefined;
}

/**
 * Writes a Debian binary package (deb(5)) in one pass over its files: control.tar comes first and needs their md5
 * sums, but its size follows from their names alone where it is stored: its room is left free and filled at the end. The sums
 * of many small files are compressed, and the data moved up to them.
 * Returns the size and the sha256 (hex) of the file. Memory: buffers of about 9 MiB, and the list of files.
 */
export async function writePackage(
  path: string,
  layout: PackageLayout,
  options: WriteOptions,
): Promise<{ size: number; sha256: string }> {
  const { mtime } = options;
  const size = dataSize(layout.entries);
  if (layout.compression === 'none' || layout.compression === 'stored') requireFits(path, size);

  const hasher = startHasher(size, isSlow(layout.compression) ? 'slow' : 'fast');
  const write = async (file: OutputFile) => {
    await file.append(arMagic);
    await appendMember(file, 'debian-binary', Buffer.from('2.0\n'), mtime);
    const controlSize = storedGzipSize(controlTarSize(layout, mtime));
    const controlAt = file.size;
    const controlRoom = arHeaderSize + controlSize + arPadding(controlSize);
    await file.append(Buffer.alloc(controlRoom));

    const dataAt = file.size;
    await file.append(Buffer.alloc(arHeaderSize));
    const sums = new ContentSums(hasher, options.onFile);
    const compressor = await startCompressor(layout.compression, size, file, options.zstd);
    const compress = async (chunk: Uint8Array) => {
      await compressor.write(chunk);
      requireFits(path, file.size - dataAt - arHeaderSize);
    };
    try {
      const sink = { write: (chunk: Uint8Array) => sums.whileTaken(chunk, () => compress(chunk)) };
      await writeArchive(tarEntries(layout.entries, sums, options), sink, {
        signal: options.signal,
        bufferSize: bufferSize(layout.compression),
      });
      await compressor.end();
      requireFits(path, file.size - dataAt - arHeaderSize);
    } catch (error) {
      compressor.abort();
      throw error;
    }
    const memberSize = file.size - dataAt - arHeaderSize;
    await file.append(Buffer.alloc(arPadding(memberSize), '\n'));
    await file.patch(dataAt, arHeader(dataMember[layout.compression], memberSize, mtime));

    const tar = await controlTar(layout, sums.byPath, mtime);
    const { name, bytes } = isWorthMoving(controlSize, size)
      ? await compressedControl(tar, layout.compression)
      : storedControl(tar);
    const padding = Buffer.alloc(arPadding(bytes.length), '\n');
    await file.replace(controlAt, controlRoom, Buffer.concat([arHeader(name, bytes.length, mtime), bytes, padding]));
  };
  try {
    return await writeWhole(path, write, (written) => hasher.sha256(written));
  } finally {
    await hasher.close();
  }
}

/**
 * Twice: one is read into while the other is hashed. Threads wait for each other less often than with smaller ones, which is
 * nothing beside a slow compressor.
 */
function bufferSize(compression: Compression): number {
  return (isSlow(compression) ? 1 : 4) * 1024 * 1024;
}

/**
 * Whether the data are moved forward so that control.tar can be compressed, whose size only then is not known before: the
 * sums of many small files would be several percent of the package.
 */
function isWorthMoving(controlSize: number, data: number): boolean {
  return controlSize > 128 * 1024 && controlSize > data / 400;
}

export const splitAdvice = 'write split: 4GB, which makes several packages of it, or choose a stronger compression';

/** Bytes of data.tar before it is compressed. */
export function dataSize(entries: readonly PackageEntry[]): number {
  return archiveSize(Iterator.from([rootEntry, ...entries]).map((entry) => tarHeader(entry, 0)));
}

const rootEntry: PackageEntry = { type: 'directory', path: '', mode: 0o755 };

function requireFits(path: string, size: number): void {
  if (size <= arMaxSize) return;
  throw new Failure({
    doing: `writing ${path}`,
    because: `its data take ${size} bytes, and the format ends at ${arMaxSize}`,
    fix: splitAdvice,
    kind: 'input',
  });
}

async function appendMember(file: OutputFile, name: string, bytes: Buffer, mtime: number): Promise<void> {
  const padding = Buffer.alloc(arPadding(bytes.length), '\n');
  await file.append(Buffer.concat([arHeader(name, bytes.length, mtime), bytes, padding]));
}

/** `./opt/ccai/` for a folder, as dpkg-deb names entries. */
function tarHeader(entry: PackageEntry, mtime: number): TarHeader {
  const slash = entry.type === 'directory' && entry.path !== '' ? '/' : '';
  return {
    name: `./${entry.path}${slash}`,
    type: entry.type,
    mode: entry.type === 'symlink' ? 0o777 : modeUntilOwned(entry),
    ...tarOwner(entry.type === 'symlink' ? undefined : entry.owner),
    size: entry.type === 'file' ? entry.size : 0,
    mtime,
    linkName: entry.type === 'symlink' ? entry.target : '',
    deviceMajor: 0,
    deviceMinor: 0,
  };
}

/** What its owner alone may read, or run with the owner's rights, is for root alone until it has that owner. */
function modeUntilOwned({ mode, owner }: { mode: number; owner?: Owner }): number {
  return isLate(owner) ? mode & 0o777 : mode;
}

function* tarEntries(
  entries: readonly PackageEntry[],
  sums: ContentSums,
  { mtime, onBytes = () => {} }: WriteOptions,
): Generator<TarEntry> {
  yield { header: tarHeader(rootEntry, mtime) };
  for (const entry of entries) {
    const header = tarHeader(entry, mtime);
    if (entry.type !== 'file') yield { header };
    else yield { header, open: () => after(openContents(entry), (contents) => sums.watch(entry, contents, onBytes)) };
  }
}

/** The files of control.tar. For their sizes alone, `md5sums` needs no text. */
function controlFiles(layout: PackageLayout, md5sums: { size: number; text: string }): FileEntry[] {
  const files = [textFile('control', layout.control)];
  if (md5sums.size > 0) files.push({ ...textFile('md5sums', md5sums.text), size: md5sums.size });
  if (layout.conffiles.length > 0)
    files.push(textFile('conffiles', layout.conffiles.map((path) => `${path}\n`).join('')));
  if (layout.triggers !== undefined) files.push(textFile('triggers', layout.triggers));
  for (const [name, text] of Object.entries(layout.scripts)) files.push(textFile(name, text, 0o755));
  return withParents(files) as FileEntry[];
}

/** What `md5sums` names: dpkg keeps the sums of conffiles itself. */
function summed({ entries, conffiles }: PackageLayout): PackageEntry[] {
  const isConffile = new Set(conffiles);
  return entries.filter(({ type, path }) => type === 'file' && !isConffile.has(`/${path}`));
}

const md5Line = (md5: string, path: string) => `${md5}  ${path}\n`;

function controlTarSize(layout: PackageLayout, mtime: number): number {
  const lineSize = md5Line(md5OfNothing, '').length;
  const size = summed(layout).reduce((sum, { path }) => sum + lineSize + Buffer.byteLength(path), 0);
  const files = controlFiles(layout, { size, text: '' });
  return archiveSize([rootEntry, ...files].map((entry) => tarHeader(entry, mtime)));
}

async function controlTar(layout: PackageLayout, md5s: ReadonlyMap<string, string>, mtime: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const root = { header: tarHeader(rootEntry, mtime) };
  const lines = summed(layout).map(({ path }) => md5Line(md5s.get(path) ?? md5OfNothing, path));
  const text = lines.join('');
  const files = controlFiles(layout, { size: Buffer.byteLength(text), text }).map((file) => ({
    header: tarHeader(file, mtime),
    open: () => openContents(file),
  }));
  const sink = { write: async (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk)) };
  await writeArchive([root, ...files], sink, { bufferSize: 64 * 1024 });
  return Buffer.concat(chunks);
}
