import { closeSync, createReadStream, openSync, rmSync } from 'node:fs';
import type { SourceLayer } from '../image-source/image.ts';
import { writeAll } from './source-spool.ts';

/** Of all filesystem layers of an image, in bytes: what is beyond is fetched, unpacked and checked each time. */
const keptMost = 1024 * 1024 * 1024;
const pieceSize = 1024 * 1024;

export interface KeptTars {
  layers: SourceLayer[];
  /** Removes what was kept; then each tar is read as it was the first time. */
  close(): void;
}

/**
 * Filesystem layers for those who read them more than once: a tar that was read to its end, and so was checked, comes from the disk
 * the next time. Temporary files begin with `prefix`. Disk: the tars, those that together have `most` bytes.
 */
export function keepTars(layers: readonly SourceLayer[], prefix: string, most = keptMost): KeptTars {
  const whole = new Set<string>();
  let size = 0;

  async function* keeping(layer: SourceLayer, path: string): AsyncGenerator<Buffer, void, undefined> {
    const file = openSync(path, 'wx', 0o600);
    let written = 0;
    let fits = true;
    try {
      for await (const chunk of layer.tar()) {
        fits &&= size + chunk.length <= most;
        if (fits) {
          writeAll(file, chunk, written);
          written += chunk.length;
          size += chunk.length;
        }
        yield chunk;
      }
      if (fits) whole.add(path);
    } finally {
      closeSync(file);
      if (!whole.has(path)) {
        size -= written;
        rmSync(path, { force: true });
      }
    }
  }

  return {
    layers: layers.map((layer, at): SourceLayer => {
      const path = `${prefix}-${at}`;
      let isTried = false;
      return {
        ...layer,
        blob: () => layer.blob(),
        tar() {
          if (whole.has(path)) return createReadStream(path, { highWaterMark: pieceSize }) as AsyncIterable<Buffer>;
          if (isTried) return layer.tar();
          isTried = true;
          return keeping(layer, path);
        },
      };
    }),
    close() {
      for (const path of whole) rmSync(path, { force: true });
      whole.clear();
    },
  };
}
