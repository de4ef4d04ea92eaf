import { inflateRawSync } from 'node:zlib';

/** A deflate stream that was found in a file, and what it unpacks to. */
export interface FoundMember {
  /** As a zip archive has it; '' where nothing says it. */
  name: string;
  start: number;
  size: number;
  unpacked: Buffer;
}

const gzipMagic = Buffer.from([0x1f, 0x8b, 8]);
const zipMagic = Buffer.from('PK\x03\x04', 'latin1');
const arMagic = Buffer.from('!<arch>\n', 'latin1');
const arHeader = 60;
const zipHeader = 30;
const gzipTrailer = 8;
const deflated = 8;

/** How many bytes tell whether a file may have members. */
export const magicSize = 8;

/** By its first bytes: whether a file is in a format that has members. */
export function mayHaveMembers(start: Buffer): boolean {
  return [gzipMagic, zipMagic, arMagic].some((magic) => start.subarray(0, magic.length).equals(magic));
}

/**
 * The deflate streams of a gzip file (RFC 1952), of a zip archive (APPNOTE.TXT, 4.3) and the archives that are stored in it, of
 * gzip files in an ar archive, as Debian packages are. What isn't as it seems is passed over, and so is what unpacks to more
 * than `limit` bytes.
 */
export function* findMembers(file: Buffer, limit: number): Generator<FoundMember> {
  if (isAt(file, 0, gzipMagic)) yield* inGzip(file, 0, file.length, limit);
  else if (isAt(file, 0, zipMagic)) yield* inZip(file, limit);
  else if (isAt(file, 0, arMagic)) yield* inAr(file, limit);
}

function* inGzip(file: Buffer, from: number, to: number, limit: number): Generator<FoundMember> {
  for (let at = from; at < to && isAt(file, at, gzipMagic);) {
    const start = gzipContents(file.subarray(at, to));
    const found = start === undefined ? undefined : unpacked(file, at + start, to, limit);
    if (found === undefined) return;
    yield { name: '', ...found };
    at = found.start + found.size + gzipTrailer;
  }
}

/** Where the deflate stream begins. */
function gzipContents(file: Buffer): number | undefined {
  const flags = file[3] ?? 0;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + (at + 2 <= file.length ? file.readUInt16LE(at) : 0);
  for (const named of [8, 16]) {
    if ((flags & named) === 0) continue;
    const end = file.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & 2) !== 0) at += 2;
  return at < file.length ? at : undefined;
}

function* inZip(file: Buffer, limit: number): Generator<FoundMember> {
  for (let at = 0; (at = file.indexOf(zipMagic, at)) >= 0 && at + zipHeader < file.length;) {
    const nameEnd = at + zipHeader + file.readUInt16LE(at + 26);
    const name = file.toString('utf8', at + zipHeader, nameEnd);
    const start = nameEnd + file.readUInt16LE(at + 28);
    at += zipMagic.length;
    if (file.readUInt16LE(at + 4) !== deflated || start >= file.length) continue;
    // Writers that do not know it in advance leave the size to what follows, and wide ones to an extra field.
    const size = file.readUInt32LE(at + 14);
    const end = size === 0 || size === 0xffffffff ? file.length : Math.min(start + size, file.length);
    const found = unpacked(file, start, end, limit);
    if (found === undefined) continue;
    yield { name, ...found };
    at = found.start + found.size;
  }
}

function* inAr(file: Buffer, limit: number): Generator<FoundMember> {
  for (let at = arMagic.length; at + arHeader <= file.length;) {
    const size = Number.parseInt(file.toString('latin1', at + 48, at + 58), 10);
    const start = at + arHeader;
    const end = start + size;
    if (!(size >= 0 && end <= file.length)) return;
    if (isAt(file, start, gzipMagic)) yield* inGzip(file, start, end, limit);
    at = end + (size % 2);
  }
}

function isAt(file: Buffer, at: number, magic: Buffer): boolean {
  return file.subarray(at, at + magic.length).equals(magic);
}

function unpacked(file: Buffer, start: number, end: number, limit: number): Omit<FoundMember, 'name'> | undefined {
  try {
    const options = { maxOutputLength: limit, chunkSize: 64 * 1024, info: true };
    // `info` makes it say how much it has read.
    const result = inflateRawSync(file.subarray(start, end), options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (result.buffer.length === 0) return undefined;
    return { start, size: result.engine.bytesWritten, unpacked: result.buffer };
  } catch {
    return undefined;
  }
}
