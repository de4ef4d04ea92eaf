import { arHeaderSize, arMagic, arPadding } from '../deb/ar.ts';
import type { ByteSource } from '../tar/byte-source.ts';

export interface ArMember {
  /** Without the slash that some writers end it with. */
  name: string;
  /** Bytes. */
  size: number;
  /** Offset of its first byte in the archive. */
  start: number;
}

/**
 * The members of an ar archive (ar(5), deb(5)) in their order; what is not read of one is passed over. Throws a
 * RangeError that says what is wrong.
 */
export async function* readAr(source: ByteSource): AsyncGenerator<ArMember, void, undefined> {
  const magic = await source.read(arMagic.length);
  if (!magic.equals(arMagic)) throw new RangeError('it is no ar archive');
  for (;;) {
    const at = source.position;
    const header = await source.read(arHeaderSize);
    if (header.length === 0) return;
    if (header.length < arHeaderSize) throw new RangeError(`it is cut off at byte ${source.position}`);
    const name = header.toString('latin1', 0, 16).trimEnd().replace(/\/$/, '');
    const digits = header.toString('latin1', 48, 58).trimEnd();
    if (header.toString('latin1', 58, 60) !== '`\n' || !/^[0-9]+$/.test(digits) || !/^[!-~]+$/.test(name))
      throw new RangeError(`the member header at byte ${at} is damaged`);
    const size = Number(digits);
    const start = source.position;
    yield { name, size, start };
    const rest = start + size - source.position;
    if ((await source.skip(rest)) < rest) throw new RangeError(`it is cut off at byte ${source.position}, in ${name}`);
    // The byte that makes the last member even may be missing.
    await source.skip(arPadding(size));
  }
}
