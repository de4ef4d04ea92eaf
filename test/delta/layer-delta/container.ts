/** Writes sources and layer deltas by docs/layer-delta-format.md alone, without anything of what is tested. */
import { createHash } from 'node:crypto';

export type Bytes = number[];

export function uvarint(value: number): Bytes {
  return value < 128 ? [value] : [(value % 128) + 128, ...uvarint(Math.floor(value / 128))];
}

export const svarint = (value: number): Bytes => uvarint(value < 0 ? -2 * value - 1 : 2 * value);

/** Streams as they are, none packed. */
function streams(...contents: Bytes[]): Bytes {
  return [...contents.flatMap((each) => (each.length === 0 ? [0] : [...uvarint(each.length), 0])), ...contents.flat()];
}

/** Ranges of old tars: start and size of each. */
export function sources(...layers: { tar: Uint8Array; ranges: [start: number, size: number][] }[]): Buffer {
  const ranges = layers.flatMap(({ tar, ranges: each }) => {
    let end = 0;
    const coded = each.flatMap(([start, size]) => {
      const before = end;
      end = start + size;
      return [...uvarint(start - before), ...uvarint(size)];
    });
    return [...createHash('sha256').update(tar).digest(), ...uvarint(each.length), ...coded];
  });
  return Buffer.from([...Buffer.from('ibs1'), ...streams([...uvarint(layers.length), ...ranges])]);
}

/** A member: its place, its size and what it unpacks to, in bytes; of a layer delta, also its profile. */
export type ListedMember = [start: number, size: number, unpacked: number, profile?: number];

function listed(members: readonly ListedMember[]): Bytes {
  let end = 0;
  const each = members.flatMap(([start, size, unpacked, ...profile]) => {
    const before = end;
    end = start + size;
    return [...uvarint(start - before), ...uvarint(size), ...uvarint(unpacked), ...(profile as number[])];
  });
  return [...uvarint(members.length), ...each];
}

/** Of one old tar, with members of its ranges. */
export function unpackingSources(
  tar: Uint8Array,
  ranges: [number, number][],
  members: readonly ListedMember[],
): Buffer {
  const plain = [...sources({ tar, ranges })];
  // Magic, one size of less than 128 bytes, 0.
  const stream = [...plain.slice(6), ...listed(members)];
  return Buffer.from([...Buffer.from('ibs2'), ...streams(stream)]);
}

export type Step =
  | { insert: string | Uint8Array }
  | { copy: [from: number, size: number]; add?: [at: number, by: number][] };

/** One general block. `add`: bytes of a copy that differ, each as a run of its own. */
export function block(...steps: Step[]): Bytes {
  const [insert, seek, copy, gap, run, difference, data]: Bytes[] = [[], [], [], [], [], [], []];
  let made = 0;
  let inserted = 0;
  let place = 0;
  let predicted = 0;
  let different = 0;
  for (const step of steps) {
    if ('insert' in step) {
      const bytes = Buffer.from(step.insert);
      data!.push(...bytes);
      inserted += bytes.length;
      made += bytes.length;
      continue;
    }
    const [from, size] = step.copy;
    insert!.push(...uvarint(inserted));
    inserted = 0;
    seek!.push(...svarint(from - place));
    copy!.push(...uvarint(size));
    place = from + size;
    for (const [at, by] of step.add ?? []) {
      gap!.push(...uvarint(predicted + at - different));
      run!.push(1);
      difference!.push(by);
      different = predicted + at + 1;
    }
    predicted += size;
    made += size;
  }
  if (inserted > 0) insert!.push(...uvarint(inserted));
  return [...uvarint(made), ...streams(insert!, seek!, copy!, gap!, run!, difference!, data!)];
}

export const general = (size: number, ...blocks: Bytes[]): Bytes => [...uvarint(size), ...blocks.flat()];

export interface Head {
  old: number;
  new: number;
  blockSize?: number;
  memory?: number;
  ranges?: number;
  /** Of the sources, how many; of the new tar, which. */
  oldMembers?: number;
  members?: readonly ListedMember[];
  /** 1 or, with members, 2, unless it is said. */
  version?: number;
  /** The list of headers, in the version that has one. */
  headers?: Bytes;
}

export function layerDelta(
  { old, new: size, blockSize = 4096, ranges = 1, oldMembers = 0, members, headers, memory, version }: Head,
  ...parts: Bytes[]
): Buffer {
  const lists =
    16 * ranges +
    24 * (oldMembers + (members?.length ?? 0)) +
    (members === undefined || (version === 3 && members.length === 0) ? 0 : 2 ** 20);
  const needed = 2 * blockSize + 2 ** 23 + 2 ** 22 + lists + (headers?.length ?? 0);
  const numbers = [old, size, blockSize, memory ?? needed].flatMap(uvarint);
  if (headers !== undefined) {
    const both = streams(members === undefined ? [] : listed(members), headers);
    return Buffer.from([...Buffer.from('ibl4'), ...numbers, ...both, ...parts.flat()]);
  }
  if (members === undefined) return Buffer.from([...Buffer.from(`ibl${version ?? 1}`), ...numbers, ...parts.flat()]);
  return Buffer.from([...Buffer.from(`ibl${version ?? 2}`), ...numbers, ...streams(listed(members)), ...parts.flat()]);
}

/** A file part that copies a whole range as it is: an ELF model without segments, sections, tables. */
export function copiedFile(from: number, size: number): Bytes {
  // Copies; no segments twice; low and high; no sections; no jump tables; no unwind table.
  const prelude = streams([1, 0, 0, 0, 0, 0, 0, 0], [0], [0], uvarint(size));
  const blocks = [...uvarint(size), ...streams(...Array.from({ length: 16 }, () => []))];
  return [1, ...uvarint(size), ...uvarint(from), ...uvarint(size), ...prelude, ...blocks];
}

/** So many headers in a row; `time` minus the one before where there is one. */
export function headerRun(count: number, mode: 0 | 1 | 2, later?: number): Bytes {
  return [...uvarint(count), mode, ...(later === undefined ? [] : svarint(later))];
}

/** Streams of all 27, by their number, for blocks that say `sharedBlock`. */
export function sharing(contents: Record<number, Bytes>): Bytes {
  return [3, ...streams(...Array.from({ length: 27 }, (_, at) => contents[at] ?? []))];
}

/** The table of a block whose streams are shared, in bytes. */
export const sharedTable = (...sizes: number[]): Bytes =>
  sizes.flatMap((size) => (size === 0 ? [0] : [...uvarint(size), ...uvarint(size)]));
const planesStreams = [
  'insert',
  'kind',
  'seek',
  'copy',
  'gap',
  'run',
  'difference',
  'data',
  'byte',
  'half0',
  'half1',
  'word0',
  'word1',
  'word2',
  'word3',
] as const;

/** A file part in the planes coding, of one block, against a range of the old file. */
export function planes(
  size: number,
  [from, length]: [number, number],
  contents: Partial<Record<(typeof planesStreams)[number], Bytes>>,
): Bytes {
  const coded = [...uvarint(size), ...streams(...planesStreams.map((name) => contents[name] ?? []))];
  return [2, ...uvarint(size), ...uvarint(from), ...uvarint(length), ...coded];
}
