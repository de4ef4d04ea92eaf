import type { Config, StoreAddress } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Plan } from '../plan/plan.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { findSaved } from '../store/saved-layer.ts';
import type { ServiceImage } from '../deb/planned-deb.ts';

/** Layers that the packages start, each once. */
export function serviceLayers(config: Config, only?: readonly string[]): string[] {
  const debs = config.debs.filter(({ name }) => only === undefined || only.includes(name));
  return [...new Set(debs.flatMap(({ service }) => (service === undefined ? [] : [service])))];
}

/**
 * The images of these layers as the store has them for what the plan was made of. Throws a Failure for a layer that
 * is not saved: a package must name an image that is there.
 */
export async function savedImages(
  project: { config: Config; store: LayerStore },
  plan: Plan,
  layers: readonly string[],
  version: string,
): Promise<ServiceImage[]> {
  const images: ServiceImage[] = [];
  for (const planned of plan.layers.filter(({ name }) => layers.includes(name))) {
    const doing = `looking for the image of ${planned.name} (${planned.platform})`;
    const fix = `build it first: imgbuild build ${planned.name}`;
    if (planned.action === 'build') {
      const because = 'it is not saved as it is declared now (`imgbuild plan` says why)';
      throw new Failure({ doing, because, fix });
    }
    const found = await findSaved(project.store, planned.repository, planned.fingerprint);
    if (found.kind !== 'saved') {
      throw new Failure({ doing, because: found.kind === 'broken' ? found.why : 'it is gone from the store', fix });
    }
    images.push({
      layer: planned.name,
      platform: parsePlatform(planned.platform),
      config: found.manifest.config.digest,
      reference: imageReference(project.config.store, planned.repository, version),
    });
  }
  return images;
}

/** The name that a released image is pulled by from a registry, or is loaded under from a folder's release. */
export function imageReference(store: StoreAddress, repository: string, version: string): string {
  const prefix = store.kind === 'registry' ? [store.registry, ...(store.path === '' ? [] : [store.path])] : [];
  return `${[...prefix, repository].join('/')}:${version.replace(/^v/, '').replaceAll('+', '_')}`;
}
