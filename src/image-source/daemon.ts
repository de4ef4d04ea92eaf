import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../failure.ts';
import type { Platform } from '../oci/platform.ts';
import { openDockerArchive } from './docker-archive.ts';
import { fileFailure } from '../store/file-failure.ts';
import type { DockerEngine } from './docker-engine.ts';
import type { SourceImage } from './image.ts';
import { openTarFile } from './member-store.ts';

/** Opens an image of a Docker engine: saved into a temporary folder, which `close` removes. */
export async function openFromDaemon(
  engine: DockerEngine,
  reference: string,
  options: { name: string; platform: Platform; signal?: AbortSignal },
): Promise<SourceImage> {
  if ((await engine.inspect(reference, options.signal)) === undefined) {
    throw new Failure({
      doing: `opening ${options.name}`,
      because: `Docker at ${engine.address} has no image ${reference}`,
      fix: 'see `docker images` for those it has',
      kind: 'input',
    });
  }
  const folder = await mkdtemp(join(tmpdir(), 'imgbuild-image-'));
  const discard = () => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'image.tar');
    const saved = await engine.save(reference, options.signal);
    await pipeline(saved, createWriteStream(file), options.signal ? { signal: options.signal } : {}).catch(
      (error: NodeJS.ErrnoException) => {
        options.signal?.throwIfAborted();
        const doing = `saving ${reference} from Docker at ${engine.address}`;
        if (error.syscall !== undefined) throw fileFailure(`${doing} into ${folder}`, error);
        throw new Failure({ doing, because: `it broke off: ${error.message}`, fix: 'run it again', cause: error });
      },
    );
    const members = await openTarFile(file);
    const image = await openDockerArchive(members, { name: options.name, platform: options.platform }).catch(
      async (error: unknown) => {
        await members.close();
        throw error;
      },
    );
    const byId = /^(sha256:)?[0-9a-f]{12,64}$/.test(reference);
    const named = reference.includes(':') || reference.includes('@') ? reference : `${reference}:latest`;
    return {
      ...image,
      ...(byId ? {} : { reference: named }),
      async close() {
        await image.close();
        await discard();
      },
    };
  } catch (error) {
    await discard();
    throw error;
  }
}
