import { constants, createGzip, createZstdCompress, type Gzip, type ZstdCompress } from 'node:zlib';
import { startFilter } from '../process/filter.ts';
import type { ByteSink } from '../tar/pack.ts';
import type { OutputFile } from './output-file.ts';
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

/** Whether it takes many times as long as hashing. */
export function isSlow(compression: Compression): boolean {
  return compression === 'xz' || compression === 'strong-zstd' || compression === 'gzip';
}

/** A sink to compress into. `abort` ends what runs where the rest has failed. */
export interface Compressor extends ByteSink {
  abort(): void;
}

/** Which zstd compresses: another one, or another version of it, writes other bytes that mean the same. */
export interface Zstd {
  /** `node`: that of this process, on one core, where there is no program. */
  by: 'program' | 'node';
  version: string;
}

export const nodeZstd: Zstd = { by: 'node', version: `zstd ${process.versions['zstd']} of Node` };

/**
 * Compresses what is written into the file. `size`: bytes that will be written. zstd: one frame, the only one that
 * dpkg reads, of jobs of a fixed size; xz: blocks of a fixed size. Both take two threads wherever they run, so that the
 * bytes do not depend on the number of cores.
 */
export async function startCompressor(
  compression: Compression,
  size: number,
  file: OutputFile,
  zstd: Zstd = nodeZstd,
): Promise<Compressor> {
  const onOutput = (chunk: Buffer) => file.append(chunk);
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
      return startStoredGzip((parts) => file.appendAll(parts));
    case 'zstd':
    case 'strong-zstd':
      return zstd.by === 'program'
        ? throughProgram('zstd', zstdArguments(levels[compression]), file)
        : throughStream(zstdStream(levels[compression], size), onOutput);
    case 'xz':
      return throughProgram('xz', xzArguments, file);
  }
}

/** What lies about until it is collected grows with it. */
const chunkSize = 128 * 1024;

interface ZstdLevel {
  level: number;
  /** Base 2 logarithms of bytes; dpkg refuses windows beyond 27, and the device needs as much memory as the window has. */
  windowLog: number;
  /** Base 2 logarithms of entries; the level's own where absent. */
  hashLog?: number;
  chainLog?: number;
}

/** `zstd`: the level that dpkg-deb takes, in the window and with the tables that make up for what the sums add. */
const levels: Record<'zstd' | 'strong-zstd', ZstdLevel> = {
  zstd: { level: 3, windowLog: 23, hashLog: 18, chainLog: 16 },
  'strong-zstd': { level: 9, windowLog: 23 },
};

function zstdStream({ level, windowLog, hashLog, chainLog }: ZstdLevel, size: number): ZstdCompress {
  const params: Record<number, number> = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: windowLog,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  if (hashLog !== undefined) params[constants.ZSTD_c_hashLog] = hashLog;
  if (chainLog !== undefined) params[constants.ZSTD_c_chainLog] = chainLog;
  return createZstdCompress({ params, pledgedSrcSize: size, chunkSize });
}

/** Jobs of 4 MiB keep the memory of both threads near 40 MiB, where those of the window's size take 200. */
function zstdArguments({ level, windowLog, hashLog, chainLog }: ZstdLevel): string[] {
  const advanced = Object.entries({ wlog: windowLog, hlog: hashLog, clog: chainLog })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  return ['--compress', '--stdout', '--quiet', `-${level}`, `--zstd=${advanced.join(',')}`, '-T2', '-B4MiB', '--check'];
}

/** Level 6 with a smaller dictionary: 30 MiB less for 0.1 % more bytes, since longer matches are looked for in no more time. */
export const xzOptions = 'preset=6,dict=6656KiB,nice=96';

const xzArguments = [
  '--compress',
  '--stdout',
  '--format=xz',
  '--check=crc64',
  `--lzma2=${xzOptions}`,
  '--threads=2',
  '--block-size=24MiB',
];

/** Without XZ_DEFAULTS, XZ_OPT, ZSTD_CLEVEL and ZSTD_NBTHREADS, which would change the bytes. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' };
}

/** The program appends to the file by itself: what it writes takes no way through here. */
async function throughProgram(program: string, args: string[], file: OutputFile): Promise<Compressor> {
  const filter = startFilter(program, args, await file.openForProgram(), bareEnvironment());
  return {
    async write(chunk) {
      await filter.write(chunk);
      await file.measure();
    },
    async end() {
      await filter.end();
      await file.measure();
    },
    abort: () => filter.abort(),
  };
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
