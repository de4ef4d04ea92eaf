import { damaged } from './damaged.ts';
import { decodeName } from './name.ts';
import type { TarHeader } from './header.ts';

/** Records of a pax header by keyword; a value is bytes, since names need not be UTF-8. */
export type PaxRecords = Map<string, Buffer>;

/**
 * Reads the contents of a pax header: `LENGTH KEYWORD=VALUE\n`, LENGTH counting the whole record (POSIX.1-2001 pax).
 * Throws a Failure when a length is wrong.
 */
export function decodePax(bytes: Uint8Array): PaxRecords {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: PaxRecords = new Map();
  for (let at = 0; at < buffer.length;) {
    // Some writers pad the records with NULs to the whole block.
    if (buffer[at] === 0) break;
    const space = buffer.indexOf(0x20, at);
    const digits = space === -1 ? '' : buffer.toString('latin1', at, space);
    const end = at + Number.parseInt(digits, 10);
    if (!/^[0-9]{1,15}$/.test(digits) || end > buffer.length || end <= space + 1 || buffer[end - 1] !== 0x0a) {
      throw damaged('reading a pax header', 'a record whose length is wrong');
    }
    const equals = buffer.indexOf(0x3d, space + 1);
    if (equals === -1 || equals >= end) throw damaged('reading a pax header', 'a record without "="');
    records.set(buffer.toString('utf8', space + 1, equals), Buffer.from(buffer.subarray(equals + 1, end - 1)));
    at = end;
  }
  return records;
}

/** The contents of a pax header with these records. */
export function encodePax(records: PaxRecords): Buffer {
  const encoded = [...records].map(([keyword, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${keyword}=`), value, Buffer.from('\n')]);
    // The length counts its own digits.
    let length = rest.length + 1;
    while (String(length).length + rest.length > length) length += 1;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return Buffer.concat(encoded);
}

/**
 * The header that an entry has after its pax records (global ones first). An empty value takes the field back to the
 * header's own. Keywords that concern no field (SCHILY.xattr.*, comment) are left to the caller.
 */
export function applyPax(header: TarHeader, ...records: readonly PaxRecords[]): TarHeader {
  const merged: PaxRecords = new Map(records.flatMap((each) => [...each]));
  const applied = { ...header };
  for (const [keyword, value] of merged) {
    if (value.length === 0) continue;
    switch (keyword) {
      case 'path':
        applied.name = decodeName(value);
        break;
      case 'linkpath':
        applied.linkName = decodeName(value);
        break;
      case 'uname':
        applied.userName = decodeName(value);
        break;
      case 'gname':
        applied.groupName = decodeName(value);
        break;
      case 'size':
        applied.size = whole(keyword, value);
        break;
      case 'uid':
      case 'gid':
        applied[keyword] = whole(keyword, value);
        break;
      case 'mtime':
        applied.mtime = seconds(value);
        break;
    }
  }
  return applied;
}

function whole(keyword: string, value: Buffer): number {
  const digits = value.toString('latin1');
  const parsed = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(parsed)) {
    throw damaged('reading a pax header', `a ${keyword} that reads ${JSON.stringify(digits.slice(0, 40))}`);
  }
  return parsed;
}

function seconds(value: Buffer): number {
  const digits = value.toString('latin1');
  if (!/^-?[0-9]{1,18}(\.[0-9]*)?$/.test(digits))
    throw damaged('reading a pax header', `an mtime that reads ${JSON.stringify(digits.slice(0, 40))}`);
  return Number(digits);
}
