import type { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { deflateProfile, type DeflateProfile } from '../deflate/profile.ts';

/** A deflate stream (RFC 1951) within a file: of a gzip file, a zip archive, whatever else has one. In bytes. */
export interface Member {
  start: number;
  size: number;
  /** Of what it unpacks to. */
  unpackedSize: number;
}

/** A member of the new tar, which is made by packing. */
export interface RepackedMember extends Member {
  profile: DeflateProfile;
}

/** Members of one image's sources, and of one layer delta, at most. */
export const memberLimit = 2 ** 16;
/** Of one member, in bytes. */
export const unpackedLimit = 2 ** 30;
/** What a deflate stream of so many bytes unpacks to, at most: RFC 1951 has no shorter way to say 258 bytes than two bits. */
export const mostUnpacked = 1032;
/** Of the unpacked stream that lists them, in bytes. */
export const membersLimit = 2 ** 21;
export const memberStreams = ['members'] as const;
/** From version 4 on; both lists may be empty. */
export const listStreams = ['members', 'headers'] as const;
/** In a decoder's memory, in bytes: of each member, and of what packs them. */
export const bytesOfMember = 24;
export const bytesOfPacking = 2 ** 20;

/** In the order of their places. */
export function putMembers(
  writer: ByteWriter,
  members: readonly Member[],
  more: (at: number) => void = () => {},
): void {
  writer.uvarint(members.length);
  let end = 0;
  for (const [at, { start, size, unpackedSize }] of members.entries()) {
    writer.uvarint(start - end);
    writer.uvarint(size);
    writer.uvarint(unpackedSize);
    more(at);
    end = start + size;
  }
}

/** `fileSize`: of the file that they lie in. Throws a Failure where they break the format. */
export function takeMembers(reader: ByteReader, fileSize: number): Member[] {
  return takeEach(reader, fileSize, 1, (member) => member);
}

export function takeRepacked(reader: ByteReader, fileSize: number, fewest: 0 | 1): RepackedMember[] {
  return takeEach(reader, fileSize, fewest, (member) => {
    const number = reader.byte();
    const profile = deflateProfile(number);
    if (profile === undefined) throw brokenDelta(`it has the deflate profile ${number}, which is not known`);
    return { ...member, profile };
  });
}

function takeEach<Found extends Member>(
  reader: ByteReader,
  fileSize: number,
  fewest: 0 | 1,
  complete: (member: Member) => Found,
): Found[] {
  const count = reader.uvarint();
  if (count < fewest || count > memberLimit) throw brokenDelta(`it has ${count} members`);
  const members: Found[] = [];
  let end = 0;
  for (let at = 0; at < count; at++) {
    const start = end + reader.uvarint();
    const size = reader.uvarint();
    const unpackedSize = reader.uvarint();
    end = start + size;
    if (size === 0 || end > fileSize) throw brokenDelta('it has a member that its file has not');
    if (unpackedSize === 0 || unpackedSize > Math.min(unpackedLimit, mostUnpacked * size)) {
      throw brokenDelta(`it has a member of ${size} bytes that should unpack to ${unpackedSize}`);
    }
    members.push(complete({ start, size, unpackedSize }));
  }
  if (reader.left > 0) throw brokenDelta(`its list of members has ${reader.left} bytes too many`);
  return members;
}

export function sumUnpacked(members: readonly Member[]): number {
  return members.reduce((sum, { unpackedSize }) => sum + unpackedSize, 0);
}

/** Of a file whose members are replaced by what they unpack to. */
export function expandedSize(size: number, members: readonly Member[]): number {
  return members.reduce((sum, member) => sum + member.unpackedSize - member.size, size);
}
