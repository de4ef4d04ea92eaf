/** Files with members, as gzip, Python's zipfile and ar would write them; members by Python's zlib, gzip, or Node's zlib. */
import { crc32, deflateRawSync } from 'node:zlib';
import { deflateProfile } from '../../../src/delta/deflate/profile.ts';
import { independentStreams } from '../deflate/streams.ts';

/** Who packs: a profile's number, or a writer that no profile knows. */
export type Packer = number | 'other';

/** Several at once: a process takes its time to start. */
function packedAll(texts: readonly Buffer[], packer: Packer): Buffer[] {
  // A fixed code alone: no profile would choose it.
  if (packer === 'other') return texts.map((text) => deflateRawSync(text, { strategy: 4 }));
  const profile = deflateProfile(packer)!;
  return independentStreams(texts.map((text) => ({ text, profile })));
}

export function gzipped(text: Buffer, packer: Packer, name = ''): Buffer {
  const header = Buffer.from([0x1f, 0x8b, 8, name === '' ? 0 : 8, 0, 0, 0, 0, 2, 3]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(text));
  trailer.writeUInt32LE(text.length, 4);
  return Buffer.concat([header, Buffer.from(name === '' ? '' : `${name}\0`), packedAll([text], packer)[0]!, trailer]);
}

export function zipped(files: Record<string, Buffer>, packer: Packer | 'stored'): Buffer {
  const parts: Buffer[] = [];
  const listed: Buffer[] = [];
  let offset = 0;
  const texts = Object.values(files);
  const members = packer === 'stored' ? texts : packedAll(texts, packer);
  for (const [at, [name, text]] of Object.entries(files).entries()) {
    const contents = members[at]!;
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20);
    header.writeUInt16LE(packer === 'stored' ? 0 : 8, 4);
    header.writeUInt32LE(crc32(text), 10);
    header.writeUInt32LE(contents.length, 14);
    header.writeUInt32LE(text.length, 18);
    header.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), header, Buffer.from(name), contents]);
    const where = Buffer.alloc(14);
    where.writeUInt32LE(offset, 10);
    listed.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), header, where, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(listed);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(listed.length, 8);
  end.writeUInt16LE(listed.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, directory, end]);
}

export function archived(files: Record<string, Buffer>): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')];
  for (const [name, bytes] of Object.entries(files)) {
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`;
    parts.push(Buffer.from(`${header}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}
