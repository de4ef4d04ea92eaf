import { setImmediate } from 'node:timers/promises';
import { expectUsedUp, type StreamReaders } from './block.ts';
import { DifferenceDecoder } from './differences.ts';
import { brokenDelta } from './failure.ts';
import { generalStreams, pieceLimit } from './format.ts';
import type { OldPages } from './old-pages.ts';
import type { Output } from './output.ts';

const buffer = 64 * 1024;
/** Bytes between two looks at what else goes on: a small block may make very many. */
const breath = 64 * 2 ** 20;

/** Puts out the `size` bytes of one block. */
export async function decodeGeneralBlock(
  streams: StreamReaders<(typeof generalStreams)[number]>,
  size: number,
  old: OldPages,
  output: Output,
): Promise<void> {
  const differences = new DifferenceDecoder(streams);
  const bytes = Buffer.allocUnsafe(buffer);
  let position = 0;
  let breathed = size;
  for (let left = size; left > 0;) {
    const inserted = streams.insert.uvarint();
    if (inserted > left) throw brokenDelta('it inserts more than its block holds');
    output.put(streams.data.take(inserted));
    left -= inserted;
    if (left === 0) break;
    position += streams.seek.svarint();
    const copied = streams.copy.uvarint();
    if (copied === 0 || copied > left || copied > pieceLimit) throw brokenDelta(`it copies ${copied} bytes at once`);
    for (let done = 0; done < copied;) {
      const step = Math.min(buffer, copied - done);
      old.read(position, step, bytes);
      differences.addTo(bytes, step);
      output.put(bytes.subarray(0, step));
      position += step;
      done += step;
    }
    left -= copied;
    if (breathed - left >= breath) {
      breathed = left;
      await setImmediate();
    }
  }
  differences.expectEnd();
  expectUsedUp(generalStreams, streams);
}
