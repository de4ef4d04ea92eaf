import { constants, createGzip, createZstdCompress, type Gzip, type ZstdCompress } from 'node:zlib';
import { startFilter } from '../process/filter.ts';
import type { ByteSink } from '../tar/pack.ts';
import { startStoredGzip } from './stored-gzip.ts';

/**
 * How data.tar is stored, once `auto` is decided. `stored`: gzip that does not try, for what does not shrink;
 * `strong-zstd`: zstd that takes more time, for what does.
 */
export type Compression = 'zstd' | 'strong-zstd' | 'xz' | 'gzip' | 'stored' | 'none';

export const dataMember: Record<Compression, string> = {
  zstd: 'data.tar.zst',
  'strong-zstd': 'data.tar.zst',
  xz: 'data.tar.xz',
  gzip: 'data.tar.gz',
  stored: 'data.tar.gz',
  none: 'data.tar',
};

/** A sink to compress into. `abort` ends what runs where the rest has failed. */
export interface Compressor extends ByteSink {
  abort(): void;
}

/**
 * Compresses what is written and hands it on. `size`: bytes that will be written. zstd: one frame, the only one that
 * dpkg reads. xz: blocks of a fixed size on two threads, so that the bytes do not depend on the number of cores.
 */
export function startCompressor(
  compression: Compression,
  size: number,
  onOutput: (chunk: Buffer) => Promise<void>,
): Compressor {
  switch (compression) {
    case 'none':
      return {
        write: async (chunk) => onOutput(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)),
        async end() {},
        abort() {},
      };
    case 'gzip':
      return throughStream(createGzip({ level: constants.Z_BEST_COMPRESSION, chunkSize }), onOutput);
    case 'stored':
      return startStoredGzip(onOutput);
    case 'zstd':
      return throughStream(zstd(3, 21, size), onOutput);
    case 'strong-zstd':
      return throughStream(zstd(9, 23, size), onOutput);
    case 'xz':
      return startFilter('xz', xzArguments, onOutput, xzEnvironment());
  }
}

/** What lies about until it is collected grows with it. */
const chunkSize = 128 * 1024;

/**
 * dpkg refuses windows beyond 2^27; 2^23 keeps the memory that a device needs at 8 MiB. Level 3 with 2^21 is what
 * dpkg-deb takes by itself.
 */
function zstd(level: number, windowLog: number, size: number): ZstdCompress {
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: windowLog,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  return createZstdCompress({ params, pledgedSrcSize: size, chunkSize });
}

const xzArguments = [
  '--compress',
  '--stdout',
  '--format=xz',
  '--check=crc64',
  '-6',
  '--threads=2',
  '--block-size=24MiB',
];

/** Without XZ_DEFAULTS and XZ_OPT, which would change the bytes. */
function xzEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' };
}

function throughStream(stream: Gzip | ZstdCompress, onOutput: (chunk: Buffer) => Promise<void>): Compressor {
  const finished = (async () => {
    for await (const chunk of stream) await onOutput(chunk as Buffer);
  })();
  finished.catch(() => {});
  return {
    async write(chunk) {
      const taken = new Promise<void>((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      await Promise.race([taken.catch(() => finished), finished]);
    },
    async end() {
      stream.end();
      await finished;
    },
    abort() {
      if (!stream.destroyed) {
        stream.once('error', () => {});
        stream.destroy();
      }
    },
  };
}
