import { setImmediate } from 'node:timers/promises';
import { expectUsedUp, type StreamReaders } from '../codec/block.ts';
import { DifferenceDecoder } from '../codec/differences.ts';
import { brokenDelta } from '../codec/failure.ts';
import { pieceLimit } from '../codec/format.ts';
import type { OldPages } from '../codec/old-pages.ts';
import type { Output } from '../codec/output.ts';
import { aloneKind, copyKind, planesStreams, planeStreams, type PlanesStream } from './format.ts';
import { elementsAtOnce, joinDifferences, joinElements } from './planes.ts';
import type { ElementWidth } from './tensor-file.ts';

/** Of bytes that are made at once; every width divides it. */
const buffer = 4 * elementsAtOnce;
/** Bytes between two looks at what else goes on. */
const breath = 64 * 2 ** 20;

/** Puts out the `size` bytes of one block. */
export async function decodePlanesBlock(
  streams: StreamReaders<PlanesStream>,
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
    const kind = streams.kind.byte();
    const isAlone = kind === aloneKind + 2 || kind === aloneKind + 4;
    if (!isAlone && kind !== copyKind && !isWidth(kind)) throw brokenDelta(`it has elements of the kind ${kind}`);
    const width = (isAlone ? kind - aloneKind : kind === copyKind ? 1 : kind) as ElementWidth;
    if (!isAlone) position += streams.seek.svarint();
    const made = streams.copy.uvarint();
    if (made === 0 || made > left || made > pieceLimit) throw brokenDelta(`it copies ${made} bytes at once`);
    if (made % width !== 0) throw brokenDelta(`it has ${made} bytes of elements of ${width}`);
    for (let done = 0; done < made;) {
      const part = bytes.subarray(0, Math.min(buffer, made - done));
      const planes = () => planeStreams[width].map((name) => streams[name].take(part.length / width));
      if (isAlone) joinElements(planes(), part, width);
      else {
        old.read(position, part.length, part);
        if (kind === copyKind) differences.addTo(part, part.length);
        else joinDifferences(planes(), part, width);
        position += part.length;
      }
      output.put(part);
      done += part.length;
    }
    left -= made;
    if (breathed - left >= breath) {
      breathed = left;
      await setImmediate();
    }
  }
  differences.expectEnd();
  expectUsedUp(planesStreams, streams);
}

function isWidth(kind: number): boolean {
  return kind === 1 || kind === 2 || kind === 4;
}
