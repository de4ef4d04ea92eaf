import { Failure } from '../failure.ts';
import { isDigest } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/manifest.ts';
import type { Platform } from '../oci/platform.ts';
import { traitsOf } from './image-reader.ts';
import type { LockedPlatform } from './lock.ts';

/** Images that are in a local engine alone. */
export interface DaemonImages {
  /** Undefined when it has no such image. Throws a Failure when the engine cannot be asked. */
  inspect(reference: string): Promise<{ platform: Platform; locked: LockedPlatform } | undefined>;
}

interface Inspected {
  Id: string;
  Os: string;
  Architecture: string;
  Variant?: string;
  Config?: ImageConfig['config'] | null;
}

/**
 * The engine that DOCKER_HOST names, else the one of /var/run/docker.sock. The identity is the image's ID, by which a
 * build can name it there: the config's digest in the classic store, the manifest's in the containerd store.
 */
export function dockerImages(): DaemonImages {
  return {
    async inspect(reference) {
      const { default: Docker } = await import('dockerode');
      const docker = new Docker();
      const doing = `asking the local Docker for ${reference}`;
      let found: Inspected;
      let containerd: boolean;
      try {
        found = (await docker.getImage(reference).inspect()) as unknown as Inspected;
        const info = (await docker.info()) as { DriverStatus?: [string, string][] | null };
        containerd = (info.DriverStatus ?? []).some(([, value]) => value.startsWith('io.containerd.snapshotter'));
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        const fix = 'start Docker, or set DOCKER_HOST to the one that is meant';
        throw new Failure({ doing, because: (error as Error).message, fix, cause: error });
      }
      if (!isDigest(found.Id)) {
        const fix = 'push the image to a registry, or name an OCI layout under bases:';
        throw new Failure({ doing, because: `the image's ID is ${found.Id}, no sha256 digest`, fix });
      }
      const platform: Platform = { os: found.Os, architecture: found.Architecture };
      if (found.Variant) platform.variant = found.Variant;
      const identity = { kind: containerd ? 'manifest' : 'config', digest: found.Id } as const;
      return { platform, locked: { identity, ...traitsOf({ config: found.Config ?? {} } as ImageConfig) } };
    },
  };
}
