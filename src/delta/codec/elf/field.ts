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
