import { streamSource } from './byte-source.ts';
import { cut, readExtension, sparseMapBlocks } from './extract.ts';
import { blockSize, decodeHeader, isZeroBlock, padding, patchHeader, withoutContents } from './header.ts';
import { decodePax, encodePax, type PaxRecords } from './pax.ts';

/**
 * The same archive with no time later than `epoch` (seconds): later ones become `epoch`, and the access and change times
 * that pax headers may bring go. All else stays, byte for byte. What a build step writes differs from one day to the next
 * in these times alone (reproducible-builds.org, "SOURCE_DATE_EPOCH"; BuildKit's rewrite-timestamp has the same rule).
 * Memory: one chunk of the source. Throws a Failure where a header is damaged or the archive is cut.
 */
export async function* clampTimes(
  archive: AsyncIterable<Uint8Array>,
  epoch: number,
): AsyncGenerator<Buffer, void, undefined> {
  const source = streamSource(archive);
  /** Of the entry that follows, where a pax header gives it. */
  let size: number | undefined;
  for (;;) {
    const block = Buffer.from(await source.read(blockSize));
    if (block.length === 0) return;
    if (block.length < blockSize) throw cut(source.position);
    if (isZeroBlock(block)) {
      yield block;
      yield* source.chunks(Number.POSITIVE_INFINITY);
      return;
    }
    const header = decodeHeader(block);
    if (header.mtime > epoch) patchHeader(block, { mtime: epoch });
    if (header.type === 'pax' || header.type === 'pax-global') {
      const contents = await readExtension(source, header.size);
      const records = decodePax(contents);
      if (header.type === 'pax' && records.has('size')) size = Number(records.get('size')!.toString('latin1'));
      const clamped = clampRecords(records, epoch);
      if (clamped?.size === 0) continue;
      const written = clamped ? encodePax(clamped) : contents;
      patchHeader(block, { size: written.length });
      yield Buffer.concat([block, written, Buffer.alloc(padding(written.length))]);
      continue;
    }
    yield block;
    if (header.type === 'gnu-sparse') yield* sparseMapBlocks(source, block);
    const length = withoutContents.has(header.type) ? 0 : (size ?? header.size);
    // A long name speaks of the same entry as a pax header before it.
    if (header.type !== 'gnu-long-name' && header.type !== 'gnu-long-link') size = undefined;
    const end = source.position + length;
    yield* source.chunks(length + padding(length));
    if (source.position < end) throw cut(source.position);
  }
}

/** The records with their times clamped; undefined where nothing changes. */
function clampRecords(records: PaxRecords, epoch: number): PaxRecords | undefined {
  const late = Number(records.get('mtime')?.toString('latin1') ?? epoch) > epoch;
  if (!late && !records.has('atime') && !records.has('ctime')) return undefined;
  const clamped: PaxRecords = new Map(records);
  clamped.delete('atime');
  clamped.delete('ctime');
  if (late) clamped.set('mtime', Buffer.from(String(epoch)));
  return clamped;
}
