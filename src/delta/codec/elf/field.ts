/**
 * Four bytes of a file that name a place: an operand, a pointer, an entry of a table. When code moves, they change in a
 * way that can be foreseen. docs/delta-format.md defines each kind.
 */
export const fieldKind = {
  /** Distance of an address from the end of the instruction; `base`: bytes from the field to that end. */
  relative: 1,
  /** Distance of an address from the field. */
  distance: 2,
  /** An address. */
  address: 3,
  /** Distance of an address from the section's base of number `base`. */
  fromAddress: 4,
  /** Distance of an offset in the file from the section's base of number `base`. */
  fromOffset: 5,
  /** How far before the field an offset lies. */
  back: 6,
  /** Entry of a jump table: distance of an address from the table's, which is `base`. */
  table: 7,
  branch26: 8,
  branch19: 9,
  branch14: 10,
  adr: 11,
  page: 12,
  lowAdd: 13,
  lowLoad: 14,
} as const;

/** Fields in order of their positions. Growing; `clear` keeps the memory. */
export class FieldList {
  count = 0;
  position = new Int32Array(256);
  kind = new Uint8Array(256);
  /** The address or the offset that the field names. */
  target = new Int32Array(256);
  base = new Int32Array(256);

  push(position: number, kind: number, target: number, base: number): void {
    if (this.count === this.position.length) this.#grow();
    const at = this.count++;
    this.position[at] = position;
    this.kind[at] = kind;
    this.target[at] = target;
    this.base[at] = base;
  }

  /** Those of another list from `start` on and before `end`. */
  pushAll(list: FieldList, start: number, end: number): void {
    if (start >= end) return;
    while (this.count + end - start > this.position.length) this.#grow();
    this.position.set(list.position.subarray(start, end), this.count);
    this.kind.set(list.kind.subarray(start, end), this.count);
    this.target.set(list.target.subarray(start, end), this.count);
    this.base.set(list.base.subarray(start, end), this.count);
    this.count += end - start;
  }

  clear(): void {
    this.count = 0;
  }

  #grow(): void {
    const size = this.position.length * 2;
    const grown = (from: Int32Array) => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.position = grown(this.position);
    this.target = grown(this.target);
    this.base = grown(this.base);
    const kind = new Uint8Array(size);
    kind.set(this.kind);
    this.kind = kind;
  }
}

/** Fields of a chunk, from wherever they are known. */
export interface FieldSource {
  /** Adds the fields that begin in the chunk, in order. */
  find(chunk: number, fields: FieldList): void;
}

/** Fields that were all found before, each list in order of positions. */
export class KnownFields implements FieldSource {
  readonly #lists: readonly FieldList[];
  readonly #chunkSize: number;

  constructor(lists: readonly FieldList[], chunkSize: number) {
    this.#lists = lists;
    this.#chunkSize = chunkSize;
  }

  find(chunk: number, fields: FieldList): void {
    const start = chunk * this.#chunkSize;
    const end = start + this.#chunkSize;
    const at = this.#lists.map((list) => firstFrom(list, start));
    const within = this.#lists.filter(
      (list, each) => (list.position[at[each]!] ?? end) < end && at[each]! < list.count,
    );
    if (within.length < 2) {
      // Most chunks are all code or have none.
      const [list] = within;
      if (list !== undefined) fields.pushAll(list, firstFrom(list, start), firstFrom(list, end));
      return;
    }
    for (;;) {
      let next: FieldList | undefined;
      let which = 0;
      for (const [each, list] of this.#lists.entries()) {
        const place = at[each]!;
        if (place >= list.count || list.position[place]! >= end) continue;
        if (next !== undefined && next.position[at[which]!]! <= list.position[place]!) continue;
        next = list;
        which = each;
      }
      if (next === undefined) return;
      const place = at[which]!++;
      fields.push(next.position[place]!, next.kind[place]!, next.target[place]!, next.base[place]!);
    }
  }
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
