import type { DockerEngine, EngineInfo, InspectedImage } from '../../image-source/docker-engine.ts';
import type { BundleImage } from '../bundle/read.ts';

/**
 * Images of the engine that may be the one a bundle starts from, the likeliest first. In the classic store and in
 * podman's the config digest is an image's ID; the containerd store does not find images by it, so that their filesystem
 * layers decide.
 */
export async function findSources(
  engine: DockerEngine,
  info: EngineInfo,
  image: BundleImage,
): Promise<InspectedImage[]> {
  const { source } = image;
  if (source === undefined) return [];
  const direct = info.store === 'containerd' ? source.manifest : source.config;
  const found: InspectedImage[] = [];
  const take = (inspected: InspectedImage | undefined) => {
    if (inspected === undefined || found.some(({ id }) => id === inspected.id)) return;
    const fits =
      source.diffIds === undefined ? hasReused(inspected, image) : sameList(inspected.diffIds, source.diffIds);
    if (fits) found.push(inspected);
  };
  if (direct !== undefined) take(await engine.inspect(direct));
  // With the whole list of filesystem layers known, an image that has them is as good, whatever its config says.
  const certain = found.length > 0 && (info.store !== 'containerd' || source.diffIds !== undefined);
  if (!certain && (info.store === 'containerd' || source.diffIds !== undefined)) {
    for (const id of await engine.list()) take(await engine.inspect(id));
  }
  return found;
}

function hasReused(inspected: InspectedImage, image: BundleImage): boolean {
  return image.layers.every(({ diffId, carried }) => carried.kind !== 'reused' || inspected.diffIds.includes(diffId));
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}
