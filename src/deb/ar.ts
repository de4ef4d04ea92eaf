/** What stands in front of every ar archive. */
export const arMagic = Buffer.from('!<arch>\n', 'latin1');

export const arHeaderSize = 60;

/** The size field of an ar header has ten digits (ar(5)). */
export const arMaxSize = 9_999_999_999;

/**
 * The header of a member as dpkg-deb writes it (deb(5)): owner root, mode 100644. Throws a RangeError when a field has
 * no room.
 */
export function arHeader(name: string, size: number, mtime: number): Buffer {
  const field = (value: string, length: number): string => {
    if (value.length > length) throw new RangeError(`${value} has no room in the ${length} bytes of an ar header`);
    return value.padEnd(length, ' ');
  };
  const text = [
    field(name, 16),
    field(String(mtime), 12),
    field('0', 6),
    field('0', 6),
    field('100644', 8),
    field(String(size), 10),
    '`\n',
  ].join('');
  return Buffer.from(text, 'latin1');
}

/** Members begin at even offsets. */
export function arPadding(size: number): number {
  return size % 2;
}
