import { Failure } from '../failure.ts';
import { run, runChecked } from '../process/run.ts';
import type { PlannedDeb } from './planned-deb.ts';
import { nodeZstd, type Compression, type Zstd } from './compression.ts';

/** What compresses here: another version of a program may write other bytes. */
export interface Compressors {
  /** What `xz --version` says first; undefined where nothing is packed with it. */
  xz: string | undefined;
  zstd: Zstd;
}

/** What a package is compressed with at most: of files that are not here yet it is not known. */
export function compressionUsed({ compression, later }: Pick<PlannedDeb, 'compression' | 'later'>): Compression {
  return later?.compression ?? compression;
}

/** Asks the programs that these packages need. zstd need not be there: Node has it, too. */
export async function findCompressors(
  planned: readonly Pick<PlannedDeb, 'compression' | 'later'>[],
  signal?: AbortSignal,
): Promise<Compressors> {
  const options = signal === undefined ? {} : { signal };
  const used = new Set(planned.map(compressionUsed));
  const needsZstd = used.has('zstd') || used.has('strong-zstd');
  return {
    xz: used.has('xz') ? firstLine((await run('xz', ['--version'], options)).stdout.toString()) : undefined,
    zstd: needsZstd ? await findZstd(options) : nodeZstd,
  };
}

async function findZstd(options: { signal?: AbortSignal }): Promise<Zstd> {
  try {
    return { by: 'program', version: firstLine(await runChecked('zstd', ['--version'], options)) };
  } catch (error) {
    if (error instanceof Failure && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
      return nodeZstd;
    }
    throw error;
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}
