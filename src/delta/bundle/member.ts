import { createReadStream } from 'node:fs';
import { Failure } from '../../failure.ts';
import { blockSize, padding } from '../../tar/header.ts';
import { memberHeader } from '../../tar/member-header.ts';

/** A file of an archive that is written: its contents are opened when their turn comes. */
export interface Member {
  name: string;
  size: number;
  open(): AsyncIterable<Uint8Array>;
}

export function memberOf(name: string, bytes: Uint8Array): Member {
  return { name, size: bytes.length, open: () => [bytes] as unknown as AsyncIterable<Uint8Array> };
}

export function memberFromFile(name: string, path: string, size: number): Member {
  return { name, size, open: () => createReadStream(path, { highWaterMark: 1024 * 1024 }) };
}

/** A tar of these members, with nothing in it that differs between two runs. Memory: one chunk. */
export async function* tarOf(members: Iterable<Member>): AsyncGenerator<Buffer, void, undefined> {
  for (const { name, size, open } of members) {
    yield memberHeader(name, size);
    let written = 0;
    for await (const chunk of open()) {
      written += chunk.length;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    if (written !== size) {
      throw new Failure({
        doing: `writing ${name}`,
        because: `${written} bytes came instead of ${size}`,
        fix: 'run it again, with nothing that changes its files meanwhile',
      });
    }
    yield Buffer.alloc(padding(size));
  }
  yield Buffer.alloc(2 * blockSize);
}
