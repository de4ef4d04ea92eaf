import type { RandomAccess } from '../../source-spool.ts';
import { elfLimit } from '../format.ts';
import { inOrder } from './addresses.ts';

export interface ElfSegment {
  offset: number;
  address: number;
  /** Bytes in the file, and in memory. */
  size: number;
  memory: number;
}

export interface ElfSection {
  name: string;
  /** sh_type and sh_flags. */
  type: number;
  flags: number;
  address: number;
  offset: number;
  size: number;
  /** Number of the section that this one refers to. */
  link: number;
}

export interface ElfImage {
  machine: 'x86-64' | 'aarch64';
  /** Addresses are fixed: the code may hold them as they are. */
  fixed: boolean;
  segments: ElfSegment[];
  /** By number; those without bytes in the file have the size 0. */
  sections: ElfSection[];
}

export const sectionType = { symbols: 2, relocations: 4, dynamic: 6, noBits: 8, dynamicSymbols: 11 } as const;
export const sectionFlag = { allocated: 2, executable: 4 } as const;

const machines = new Map([
  [62, 'x86-64'],
  [183, 'aarch64'],
] as const);
const loadable = 1;
const countLimit = 4096;
const nameLimit = 256;

/**
 * What a 64-bit little-endian ELF file says about itself (System V ABI, chapters 4 and 5). Undefined for all else, and
 * for a file whose tables lead outside of it: it is coded like any other.
 */
export function readElf(bytes: Buffer): ElfImage | undefined {
  if (bytes.length < 64 || bytes.length >= elfLimit || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = machines.get(bytes.readUInt16LE(18) as 62 | 183);
  if (machine === undefined || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const segments: ElfSegment[] = [];
  const segmentTable = tableOf(bytes, wide(bytes, 32), bytes.readUInt16LE(54), bytes.readUInt16LE(56), 56);
  const sectionTable = tableOf(bytes, wide(bytes, 40), bytes.readUInt16LE(58), bytes.readUInt16LE(60), 64);
  if (segmentTable === undefined || sectionTable === undefined) return undefined;
  for (const at of segmentTable) {
    if (bytes.readUInt32LE(at) !== loadable) continue;
    const segment = {
      offset: wide(bytes, at + 8),
      address: wide(bytes, at + 16),
      size: wide(bytes, at + 32),
      memory: wide(bytes, at + 40),
    };
    if (segment.offset + segment.size > bytes.length) return undefined;
    if (segment.memory < segment.size || segment.address + segment.memory >= elfLimit) return undefined;
    segments.push(segment);
  }
  const nameTable = sectionTable[bytes.readUInt16LE(62)];
  const names = nameTable === undefined ? 0 : wide(bytes, nameTable + 24);
  const sections = sectionTable.map((at) => {
    const type = bytes.readUInt32LE(at + 4);
    const offset = wide(bytes, at + 24);
    const size = wide(bytes, at + 32);
    const address = wide(bytes, at + 16);
    const inside = type !== sectionType.noBits && offset + size <= bytes.length && address < elfLimit;
    return {
      name: stringAt(bytes, names + bytes.readUInt32LE(at)),
      type,
      flags: bytes.readUInt32LE(at + 8),
      address: inside ? address : 0,
      offset: inside ? offset : 0,
      size: inside ? size : 0,
      link: bytes.readUInt32LE(at + 40),
    };
  });
  if (segments.length === 0 || segments.length > 64 || !inOrder(segments)) return undefined;
  return { machine, fixed: bytes.readUInt16LE(16) === 2, segments, sections };
}

/** By the first bytes alone: undefined for what is no such ELF file, whatever the rest says. */
export function machineOf(file: RandomAccess): ElfImage['machine'] | undefined {
  if (file.size < 64 || file.size >= elfLimit) return undefined;
  const head = Buffer.alloc(20);
  file.read(0, head.length, head);
  if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
  return machines.get(head.readUInt16LE(18) as 62 | 183);
}

/** Where the entries of a table are. */
function tableOf(bytes: Buffer, start: number, size: number, count: number, wanted: number): number[] | undefined {
  if (count === 0) return [];
  if (size !== wanted || count > countLimit || start + size * count > bytes.length) return undefined;
  return Array.from({ length: count }, (_, at) => start + at * size);
}

/** Numbers beyond 2^53 become some large one: no file has them. */
export function wide(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

function stringAt(bytes: Buffer, at: number): string {
  if (at >= bytes.length) return '';
  const end = bytes.subarray(at, at + nameLimit).indexOf(0);
  return bytes.toString('latin1', at, at + Math.max(0, end));
}
