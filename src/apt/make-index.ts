import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { startFilter } from '../process/filter.ts';
import type { Progress } from '../progress.ts';
import { formatPackages, type IndexedPackage } from './package.ts';
import type { ReleaseEntry } from './release-file.ts';
import { sha256 } from './suite.ts';

/** The index of one architecture: what the Release lists of it, and the files to write. */
export interface MadeIndex {
  /** The uncompressed one is listed, since readers check what they unpacked, and is no file. */
  entries: ReleaseEntry[];
  /** Bytes by path below the suite; empty where all of them are published already. */
  files: { path: string; sha256: string; bytes: Buffer }[];
}

const zstd = promisify(zstdCompress);

/** `before`: what the last Release lists; an index that it has already is not compressed again. */
export async function makeIndex(
  architecture: string,
  packages: readonly IndexedPackage[],
  before: readonly ReleaseEntry[],
  progress: Progress,
): Promise<MadeIndex> {
  const path = `main/binary-${architecture}/Packages`;
  const text = Buffer.from(formatPackages(packages));
  const plain = { path, size: text.length, sha256: sha256(text) };
  const known = before.filter((entry) => entry.path === path || entry.path.startsWith(`${path}.`));
  if (known.length === 3 && known.some((entry) => entry.path === path && entry.sha256 === plain.sha256))
    return { entries: known, files: [] };
  const packed = await Promise.all([
    xz(path, text, progress),
    zstd(text, { params: { [constants.ZSTD_c_compressionLevel]: 12 } }),
  ]);
  const files = packed.map((bytes, index) => ({
    path: `${path}.${index === 0 ? 'xz' : 'zst'}`,
    sha256: sha256(bytes),
    bytes,
  }));
  const entries = files.map(({ path: name, sha256: hash, bytes }) => ({
    path: name,
    size: bytes.length,
    sha256: hash,
  }));
  return { entries: [plain, ...entries], files };
}

/** Pieces in which xz is fed: tens of thousands of packages take it seconds, which progress shows. */
const piece = 256 * 1024;

async function xz(path: string, text: Buffer, progress: Progress): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  const args = ['--compress', '--stdout', '--format=xz', '--check=crc64', '-6', '--threads=1'];
  const filter = startFilter('xz', args, async (chunk) => void chunks.push(chunk), env);
  const transfer = progress.transfer(`packing ${path}`, text.length);
  try {
    for (let at = 0; at < text.length; at += piece) {
      const bytes = text.subarray(at, at + piece);
      await filter.write(bytes);
      transfer.add(bytes.length);
    }
    await filter.end();
  } finally {
    transfer.end();
  }
  return Buffer.concat(chunks);
}
