import type { BaseSource } from '../config/config.ts';
import type { Progress } from '../progress.ts';
import { registryClient, type Registries } from '../registry/registries.ts';
import { dockerImages } from './daemon-images.ts';
import type { BaseSources } from './resolve-base.ts';

/** The real ones: registries by HTTP, the Docker that DOCKER_HOST names, the layouts of the configuration. */
export function baseSources(
  layouts: ReadonlyMap<string, BaseSource>,
  options: { registries?: Registries; progress?: Progress; signal?: AbortSignal } = {},
): BaseSources {
  const registries = options.registries ?? registryClient();
  return {
    layouts,
    daemon: dockerImages(),
    ...(options.progress === undefined ? {} : { progress: options.progress }),
    registry({ registry, repository }) {
      const client = registries.at(registry);
      return {
        getManifest: (reference) => client.getManifest(repository, reference, options.signal),
        async getBlob(blob) {
          const parts: Uint8Array[] = [];
          for await (const chunk of await client.openBlob(repository, blob, options.signal)) {
            parts.push(chunk as Uint8Array);
          }
          return Buffer.concat(parts);
        },
      };
    },
  };
}
