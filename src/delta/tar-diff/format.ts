/**
 * tar-diff, version 1 (containers/tar-diff, file-format.md): this header, then one zstd stream of operations. An
 * operation is one byte, a uvarint, and, for `data`, `open` and `addData`, as many bytes as the uvarint says.
 */
export const header = Buffer.from('tardf1\n\0', 'latin1');

export const operation = {
  /** Put out the bytes that follow. */
  data: 0,
  /** Read from this file (a path in the source's tree), from its start. */
  open: 1,
  /** Put out that many bytes of the file. */
  copy: 2,
  /** Add the bytes that follow to as many of the file, byte by byte, and put out the sums. */
  addData: 3,
  /** Go to that position of the file. */
  seek: 4,
} as const;

/** Longest path of an `open`, in bytes; Linux's PATH_MAX. */
export const pathLimit = 4096;

/** Appends a uvarint (7 bits a byte, the lowest first, the top bit set on all but the last). Returns the end. */
export function putUvarint(value: number, into: Buffer, at: number): number {
  let rest = value;
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[at++] = rest;
  return at;
}

/** Bytes of the longest uvarint of a safe integer. */
export const uvarintLimit = 8;
