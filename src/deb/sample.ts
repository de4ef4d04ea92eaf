import { open } from 'node:fs/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { unreadable } from '../files/unreadable.ts';
import type { Compression } from './compression.ts';
import type { FileEntry, PackageEntry } from './entry.ts';

const pieceSize = 16 * 1024;
/** Pieces that are read at most, whatever the size of the package. */
const pieceLimit = 64;
/** Packages up to this size gain too little from anything but gzip, which every dpkg and every tool reads. */
const smallPackage = 4 * 1024 * 1024;
/** What stays larger than this share of itself is not worth the time. */
const worthwhile = 0.95;

/**
 * Decides `auto` by samples of the files, spread evenly over all of their bytes: the same files give the same answer
 * everywhere. Small packages get gzip; what does not shrink is stored; the rest gets strong zstd, or xz where a target cannot
 * read that.
 */
export async function chooseCompression(entries: readonly PackageEntry[], zstd: boolean): Promise<Compression> {
  const files = entries.filter((entry): entry is FileEntry => entry.type === 'file');
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (total <= smallPackage) return 'gzip';
  const sample = await readSample(files, total);
  // At once: to start for every piece takes longer than to compress it.
  const level = { [constants.ZSTD_c_compressionLevel]: 1 };
  if (zstdCompressSync(sample, { params: level }).length >= sample.length * worthwhile) return 'stored';
  return zstd ? 'strong-zstd' : 'xz';
}

async function readSample(files: readonly FileEntry[], total: number): Promise<Buffer> {
  const stride = Math.max(pieceSize, Math.floor(total / pieceLimit));
  const sample = Buffer.allocUnsafeSlow((pieceLimit + 1) * pieceSize);
  let used = 0;
  let start = 0;
  // The next sample, counted over the bytes of all files in a row.
  let next = 0;
  for (const { size, source } of files) {
    const offsets: number[] = [];
    for (; next < start + size; next += stride) offsets.push(next - start);
    start += size;
    if (offsets.length === 0) continue;
    if (source.from === 'bytes') {
      for (const offset of offsets) used += source.bytes.copy(sample, used, offset, offset + pieceSize);
      continue;
    }
    try {
      await using handle = await open(source.path, 'r');
      for (const offset of offsets) {
        used += (await handle.read(sample, used, pieceSize, offset)).bytesRead;
      }
    } catch (error) {
      throw unreadable(source.name, error);
    }
  }
  return sample.subarray(0, used);
}
