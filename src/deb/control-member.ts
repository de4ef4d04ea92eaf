import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import { bareEnvironment, type Compression } from './compression.ts';
import { startFilter } from '../process/filter.ts';
import { storedGzip } from './stored-gzip.ts';

const gzip = promisify(gzipCallback);

/** The member of an archive that holds control.tar (deb(5)). */
export interface ControlMember {
  name: 'control.tar.gz' | 'control.tar.xz';
  bytes: Buffer;
}

/** Takes as many bytes as are known from the file list alone. */
export function storedControl(tar: Buffer): ControlMember {
  return { name: 'control.tar.gz', bytes: storedGzip(tar) };
}

/** Whoever reads data in xz reads this, too, which takes a sixth less for the names of many files. */
export async function compressedControl(tar: Buffer, compression: Compression): Promise<ControlMember> {
  if (compression !== 'xz') return { name: 'control.tar.gz', bytes: await gzip(tar, { level: 9 }) };
  const chunks: Buffer[] = [];
  const take = async (chunk: Buffer) => void chunks.push(chunk);
  const xz = startFilter('xz', ['--compress', '--stdout', '--format=xz', '-6'], take, bareEnvironment());
  try {
    await xz.write(tar);
    await xz.end();
  } catch (error) {
    xz.abort();
    throw error;
  }
  return { name: 'control.tar.xz', bytes: Buffer.concat(chunks) };
}
