import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { readAr } from '../../apt/ar-reader.ts';
import { decompress } from '../../apt/decompress.ts';
import { arHeader, arMagic, arMaxSize, arPadding } from '../../deb/ar.ts';
import type { ByteStream } from '../../image-source/image.ts';
import { decompressed } from '../../image-source/verified.ts';
import { blockSize } from '../../tar/header.ts';
import { streamSource } from '../../tar/byte-source.ts';

/** An uncompressed tar in a file. */
export interface StoredTar {
  path: string;
  /** Bytes. */
  size: number;
}

/** What a Debian package consists of, unpacked. */
export interface UnpackedPackage {
  control: StoredTar;
  data: StoredTar;
}

/** Bytes of a package in its plain form, and their sha256 in hex. */
export interface PlainForm {
  size: number;
  sha256: string;
}

/** Its size in bytes. Throws a RangeError where it has no room in the form. */
export function plainSize(control: number, data: number): number {
  return [...plainParts(control, data)].reduce(
    (sum, part) => sum + (typeof part === 'string' ? 0 : part.length),
    control + data,
  );
}

/**
 * What is around the two tars of a package's plain form, with their places: deb(5) with nothing compressed and without
 * clocks, which is what `dpkg-deb -Znone` writes. The same files, scripts and fields make the same bytes, however the package
 * was compressed. Throws a RangeError for tars that an ar archive has no room for.
 */
export function* plainParts(control: number, data: number): Generator<Buffer | 'control' | 'data'> {
  if (control > arMaxSize || data > arMaxSize) throw new RangeError(`it unpacks to more than ${arMaxSize} bytes`);
  const format = Buffer.from('2.0\n', 'latin1');
  yield Buffer.concat([
    arMagic,
    arHeader('debian-binary', format.length, 0),
    format,
    arHeader('control.tar', control, 0),
  ]);
  yield 'control';
  yield Buffer.concat([Buffer.alloc(arPadding(control), '\n'), arHeader('data.tar', data, 0)]);
  yield 'data';
  yield Buffer.alloc(arPadding(data), '\n');
}

/** An unpacked package in its plain form. */
export async function* plainBytes(unpacked: UnpackedPackage): AsyncGenerator<Buffer, void, undefined> {
  for (const part of plainParts(unpacked.control.size, unpacked.data.size)) {
    if (typeof part !== 'string') yield part;
    else yield* createReadStream(unpacked[part].path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>;
  }
}

/** The plain form of an unpacked package. */
export async function plainForm(unpacked: UnpackedPackage): Promise<PlainForm> {
  const hash = createHash('sha256');
  for await (const chunk of plainBytes(unpacked)) hash.update(chunk);
  return { size: plainSize(unpacked.control.size, unpacked.data.size), sha256: hash.digest('hex') };
}

/**
 * Unpacks a package into two files that begin with `prefix`. Throws a RangeError, a Failure, or an error of zlib for what has
 * no plain form: parts that are compressed in other ways, parts that dpkg does not know, tars too large for it, no package at
 * all. No file is left then.
 */
export async function unpackPackage(bytes: ByteStream, prefix: string): Promise<UnpackedPackage> {
  const wanted = ['debian-binary', 'control.tar', 'data.tar'] as const;
  const stored = new Map<string, StoredTar>();
  const source = streamSource(bytes);
  let at = 0;
  try {
    for await (const { name, size } of readAr(source)) {
      const next = wanted[at++];
      if (next === undefined || !name.startsWith(next)) throw new RangeError(`it has a part ${name}`);
      if (next === 'debian-binary') {
        if (size !== 4 || (await source.read(4)).toString('latin1') !== '2.0\n')
          throw new RangeError('it is of another format');
        continue;
      }
      const path = `${prefix}-${next}`;
      stored.set(next, { path, size: 0 });
      stored.set(next, await store(path, undone(name.slice(next.length), source.chunks(size), name)));
    }
    const [control, data] = [stored.get('control.tar'), stored.get('data.tar')];
    if (control === undefined || data === undefined) throw new RangeError('it is cut off');
    plainSize(control.size, data.size);
    return { control, data };
  } catch (error) {
    for (const { path } of stored.values()) await rm(path, { force: true });
    throw error;
  }
}

export async function removePackage({ control, data }: UnpackedPackage): Promise<void> {
  for (const { path } of [control, data]) await rm(path, { force: true });
}

function undone(suffix: string, bytes: AsyncGenerator<Buffer>, name: string): AsyncIterable<Uint8Array> {
  switch (suffix) {
    case '':
      return bytes;
    case '.gz':
    case '.zst':
      return decompressed(bytes, name);
    case '.xz':
      return decompress(suffix, bytes);
    default:
      throw new RangeError(`it has a part ${name}`);
  }
}

/** A tar that ends as dpkg writes it, so that one that was cut is none. */
async function store(path: string, bytes: AsyncIterable<Uint8Array>): Promise<StoredTar> {
  const file = await open(path, 'wx+', 0o600);
  let size = 0;
  try {
    for await (const chunk of bytes) {
      for (let done = 0; done < chunk.length;) done += (await file.write(chunk, done)).bytesWritten;
      size += chunk.length;
    }
    const last = Buffer.alloc(blockSize, 1);
    if (size >= blockSize) await file.read(last, 0, blockSize, size - blockSize);
    if (size % blockSize !== 0 || last.some((byte) => byte !== 0)) throw new RangeError('one of its tars is cut off');
  } finally {
    await file.close();
  }
  return { path, size };
}
