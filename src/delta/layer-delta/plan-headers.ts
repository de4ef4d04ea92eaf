import { blockSize } from '../../tar/header.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { mebibyte } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import type { EntrySources } from './find-sources.ts';
import { noRun, putHeaderRun, restorableTime, toNextHeader, type HeaderMode, type HeaderRun } from './header-list.ts';

/** A header that a decoder completes; its place among the blocks of its entry's headers. */
export interface ListedHeader {
  block: number;
  mode: HeaderMode;
}

/** Headers of a new tar as a decoder completes them. */
export interface HeaderPlan {
  /** The list, as it is coded. */
  list: Buffer;
  /** Of an entry. */
  of(entry: number): readonly ListedHeader[];
}

export const noHeaders: HeaderPlan = { list: Buffer.alloc(0), of: () => [] };

/** What another time costs where it is coded as differences, about, and what a list of headers costs besides its runs. */
const bytesOfTime = 2;
const bytesOfList = 32;
/** It has room beside members in the stream of lists. */
const longestList = mebibyte;
const readAhead = 64 * 1024;

/** Follows a tar as a decoder does. What it takes for a header within contents stays as it is. */
export function planHeaders(tar: RandomAccess, sources: readonly EntrySources[]): HeaderPlan {
  const writer = new ByteWriter();
  const listed: ListedHeader[] = [];
  const firsts = new Int32Array(sources.length + 1);
  let run: HeaderRun = noRun;
  let last: HeaderRun = noRun;
  let newTimes = 0;
  const put = () => {
    if (run.count > 0) putHeaderRun(writer, run, last);
    last = run;
  };
  let at = 0;
  for (const { position, header } of headersOf(tar)) {
    while (at < sources.length && sources[at]!.entry.contentStart <= position) firsts[++at] = listed.length;
    const found = sources[at];
    const time = found !== undefined && found.entry.start <= position ? restorableTime(header) : undefined;
    const old = found?.header;
    const isMain = position + blockSize === found?.entry.contentStart;
    const isNew = isMain && old !== undefined && old.mtime !== time;
    const stays = time === run.time ? run.mode === 'time' : run.mode === 'checksum' && !isNew;
    const mode = time === undefined ? 'as-made' : stays ? run.mode : isNew ? 'time' : 'checksum';
    if (mode === 'time' && isNew) newTimes++;
    if (time !== undefined) {
      const block = (position - found!.entry.start) / blockSize;
      const before = listed.at(-1);
      // Nearly all are the same.
      listed.push(before?.block === block && before.mode === mode ? before : { block, mode });
    }
    if (run.count === 0 || mode !== run.mode || (mode === 'time' && time !== run.time)) {
      put();
      run = { count: 0, mode, time: mode === 'time' ? time! : run.time };
    }
    run.count++;
  }
  if (run.mode !== 'as-made') put();
  while (at < sources.length) firsts[++at] = listed.length;
  if (newTimes * bytesOfTime < writer.length + bytesOfList || writer.length > longestList) return noHeaders;
  return { list: Buffer.from(writer.view()), of: (entry) => listed.slice(firsts[entry], firsts[entry + 1]) };
}

/** From each header to the next one. The bytes stay good until the next call. */
function* headersOf(tar: RandomAccess): Generator<{ position: number; header: Buffer }> {
  const buffer = Buffer.allocUnsafe(readAhead);
  let start = 0;
  let end = 0;
  for (let position = 0; position + blockSize <= tar.size;) {
    if (position < start || position + blockSize > end) {
      // Large contents are passed over: what is behind one header is worth reading where it is small.
      start = position;
      end = Math.min(tar.size, position + readAhead);
      tar.read(start, end - start, buffer);
    }
    const header = buffer.subarray(position - start, position - start + blockSize);
    const next = toNextHeader(header);
    if (next === undefined) return;
    yield { position, header };
    position += blockSize + next;
  }
}
