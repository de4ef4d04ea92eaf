import { chunkSize, type FieldFinder } from './field-finder.ts';
import { FieldList } from './field.ts';

/** Fields of a list, from `start` on and before `end`. */
export interface FieldRange {
  list: FieldList;
  start: number;
  end: number;
}

/** Fields of a file by chunk, from wherever they are known. */
export interface FieldSource {
  /** Those that begin in the chunk, in order. They hold good until the next call. */
  of(chunk: number): Readonly<FieldRange>;
}

const kept = 256;

/** Fields that are found when they are asked for. Memory: 256 chunks of fields, 3 MiB at most. */
export class FoundFields implements FieldSource {
  readonly #finder: FieldFinder;
  readonly #numbers = new Int32Array(kept).fill(-1);
  /** Made when they are needed: most files are small. */
  readonly #ranges: (FieldRange | undefined)[] = Array.from({ length: kept }, () => undefined);

  constructor(finder: FieldFinder) {
    this.#finder = finder;
  }

  of(chunk: number): FieldRange {
    const slot = chunk % kept;
    const range = (this.#ranges[slot] ??= { list: new FieldList(), start: 0, end: 0 });
    if (this.#numbers[slot] === chunk) return range;
    range.list.clear();
    this.#finder.find(chunk, range.list);
    range.end = range.list.count;
    this.#numbers[slot] = chunk;
    return range;
  }
}

/** Fields that were all found before, each list in order of positions. */
export class KnownFields implements FieldSource {
  readonly #ranges: readonly FieldRange[];
  readonly #merged: FieldRange = { list: new FieldList(), start: 0, end: 0 };

  constructor(lists: readonly FieldList[]) {
    this.#ranges = lists.map((list) => ({ list, start: 0, end: 0 }));
  }

  of(chunk: number): FieldRange {
    let found: FieldRange | undefined;
    let several = false;
    for (const range of this.#ranges) {
      moveTo(range, chunk * chunkSize);
      if (range.start === range.end) continue;
      // Most chunks are all code or have none.
      several = found !== undefined;
      found = range;
    }
    return several ? this.#merge() : (found ?? this.#ranges[0]!);
  }

  /** In order of positions; of equal ones, that of the first list comes first. */
  #merge(): FieldRange {
    const { list } = this.#merged;
    const next = this.#ranges.map(({ start }) => start);
    list.clear();
    for (;;) {
      let from = -1;
      let least = Infinity;
      for (const [each, { list: fields, end }] of this.#ranges.entries()) {
        const place = next[each]! < end ? fields.position[next[each]!]! : Infinity;
        if (place >= least) continue;
        from = each;
        least = place;
      }
      if (from < 0) break;
      const fields = this.#ranges[from]!.list;
      const at = next[from]!++;
      list.push(least, fields.kind[at]!, fields.target[at]!, fields.base[at]!);
    }
    this.#merged.end = list.count;
    return this.#merged;
  }
}

/** To the fields of the chunk that begins at `position`: mostly, the chunk before was asked for last. */
function moveTo(range: FieldRange, position: number): void {
  const { position: positions, count } = range.list;
  let start = range.end;
  const goesOn =
    (start === count || positions[start]! >= position) && (start === 0 || positions[start - 1]! < position);
  if (!goesOn) start = firstFrom(range.list, position);
  let end = start;
  while (end < count && positions[end]! < position + chunkSize) end++;
  range.start = start;
  range.end = end;
}

function firstFrom({ count, position }: FieldList, start: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (position[middle]! < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
