import type { RandomAccess } from './source-spool.ts';

const windowSize = 64 * 1024;
/** Longer reads gain nothing. */
const small = 16 * 1024;

/**
 * The same file for those who read many small pieces of it, mostly one behind the other: these come out of larger reads. It must not
 * change meanwhile. Memory: 64 KiB.
 */
export function readAhead(file: RandomAccess): RandomAccess {
  let window: Buffer | undefined;
  /** What of the file the window has; where it is empty, where the last read ended. */
  let start = 0;
  let end = 0;
  return {
    ...file,
    read(position, length, into) {
      if (length === 0) return;
      if (length > small || position < start || position > end + windowSize) {
        file.read(position, length, into);
        start = end = position + length;
        return;
      }
      if (position + length > end) {
        window ??= Buffer.allocUnsafe(windowSize);
        const size = Math.min(windowSize, file.size - position);
        // Beyond the end of the file: whoever knows says what is wrong.
        if (size < length) return void file.read(position, length, into);
        start = end = position;
        file.read(position, size, window);
        end = position + size;
      }
      into.set(window!.subarray(position - start, position - start + length));
    },
  };
}
