import { Failure } from '../../failure.ts';
import { unzstd } from '../../image-source/unzstd.ts';
import { decodeName } from '../../tar/name.ts';
import { header, operation, pathLimit } from './format.ts';

/**
 * What the operations of a stream do, in order. `data` and `addData` come in pieces; `copy` and `seek` whole. A few bytes
 * may ask for gigabytes of copies: `copy` may take its time.
 */
export interface OperationVisitor {
  data(bytes: Buffer): void;
  open(path: string): void;
  copy(size: number): void | Promise<void>;
  addData(bytes: Buffer): void;
  seek(position: number): void;
}

/** log2 of the most history that a stream may ask for: 8 MiB of memory. */
export const windowLog = 23;

/** Reads operations from bytes that come in pieces of any size. Memory: one path. Throws a Failure on wrong ones. */
export function operationParser(visitor: OperationVisitor): { push(chunk: Buffer): Promise<void>; end(): void } {
  let code = -1;
  let value = 0;
  let scale = 1;
  /** Bytes of the current operation's contents that are still to come; -1 while its head is read. */
  let left = -1;
  let path: Buffer[] = [];

  const begin = (): void | Promise<void> => {
    switch (code) {
      case operation.copy:
        code = -1;
        return visitor.copy(value);
      case operation.seek:
        visitor.seek(value);
        code = -1;
        break;
      default:
        if (code === operation.open && (value === 0 || value > pathLimit)) throw wrong(`a path of ${value} bytes`);
        left = value;
        if (left === 0) finish();
    }
  };
  const finish = () => {
    if (code === operation.open) {
      visitor.open(decodeName(Buffer.concat(path)));
      path = [];
    }
    code = -1;
    left = -1;
  };

  return {
    async push(chunk) {
      for (let at = 0; at < chunk.length;) {
        if (code === -1) {
          code = chunk[at++]!;
          if (code > operation.seek) throw wrong(`an operation ${code}, which the format does not have`);
          value = 0;
          scale = 1;
          left = -1;
        } else if (left === -1) {
          const byte = chunk[at++]!;
          value += (byte & 0x7f) * scale;
          scale *= 0x80;
          if (!Number.isSafeInteger(value) || scale > 2 ** 56) throw wrong('a number that is too large');
          if (byte >= 0x80) continue;
          const begun = begin();
          if (begun !== undefined) await begun;
        } else {
          const piece = chunk.subarray(at, at + left);
          at += piece.length;
          left -= piece.length;
          if (code === operation.data) visitor.data(piece);
          else if (code === operation.addData) visitor.addData(piece);
          else path.push(Buffer.from(piece));
          if (left === 0) finish();
        }
      }
    },
    end() {
      if (code !== -1) throw wrong('it ends inside an operation');
    },
  };
}

/**
 * Reads a whole tar-diff. `what` names it in messages. Memory: the window and a few buffers. Throws a Failure when
 * the bytes are not a tar-diff of version 1, are damaged, or ask for more history than `windowLog` grants. `onPacked` is
 * told of compressed bytes just before the visitor gets what they hold.
 */
export async function readTarDiff(
  source: AsyncIterable<Buffer>,
  visitor: OperationVisitor,
  what: string,
  onPacked?: (bytes: number) => void,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < header.length) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  if (!head.subarray(0, header.length).equals(header)) {
    const version = /^tardf[0-9]/.exec(head.toString('latin1', 0, 6))?.[0];
    throw named(what, version ? `it is of the version ${version}, which cannot be read` : 'it is no tar-diff');
  }
  const rest = (async function* () {
    if (head.length > header.length) yield head.subarray(header.length);
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  const parser = operationParser(visitor);
  try {
    for await (const chunk of unzstd(rest, windowLog, onPacked)) await parser.push(chunk);
    parser.end();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined || !/^(Z_|ZSTD)/.test(code)) throw error;
    const because =
      code === 'ZSTD_error_frameParameter_windowTooLarge'
        ? `it asks for more than ${2 ** (windowLog - 20)} MiB of history`
        : `it cannot be unpacked: ${(error as Error).message}`;
    throw named(what, because);
  }
}

const remedy = 'fetch or make the bundle anew';

function wrong(because: string): Failure {
  return new Failure({ doing: 'reading a delta', because: `it has ${because}`, fix: remedy, kind: 'input' });
}

function named(what: string, because: string): Failure {
  return new Failure({ doing: `reading ${what}`, because, fix: remedy, kind: 'input' });
}
