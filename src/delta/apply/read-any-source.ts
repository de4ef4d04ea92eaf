import { Failure } from '../../failure.ts';
import type { DockerEngine, EngineInfo, InspectedImage } from '../../image-source/docker-engine.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Progress } from '../../progress.ts';
import type { Bundle, BundleImage } from '../bundle/read.ts';
import { findSources } from './find-source.ts';
import type { WantedSources } from '../rebuild.ts';
import { readSource, type ReadSource } from './read-source.ts';

interface Asked {
  engine: DockerEngine;
  progress: Progress;
  signal: AbortSignal;
}

/** Reads the source image that the bundle names; of several that may be it, the first that proves to be. */
export async function readAnySource(
  { engine, progress, signal }: Asked,
  info: EngineInfo,
  bundle: Bundle,
  image: BundleImage,
  wantedSources: WantedSources,
  temporary: string,
): Promise<{ source?: InspectedImage; read?: ReadSource }> {
  if (image.source === undefined) return {};
  const { paths, ranges } = wantedSources;
  const candidates = await findSources(engine, info, image);
  let refused: unknown;
  for (const source of candidates) {
    const tars = missingByChain(info, image, source);
    // By chain ID or diffID: nothing of the source need be read where no file is wanted.
    if (info.store !== 'containerd' && paths.size === 0 && ranges.count === 0 && tars.size === 0) {
      return { source };
    }
    const reading = progress.transfer('reading the source image');
    const count = (bytes: number) => reading.add(bytes);
    try {
      let wanted: ReadonlySet<string> = paths;
      for (;;) {
        const read = await readSource(engine, source, { files: wanted, ranges, tars }, temporary, count, signal);
        const isCertain = info.store !== 'containerd' || image.source.diffIds !== undefined;
        if (!isCertain && !read.configs.has(image.source.config)) {
          closeSources(read);
          break;
        }
        const more = read.files.linkTargets();
        if (more.length === 0) return { source, read };
        closeSources(read);
        wanted = new Set([...wanted, ...more]);
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof Failure)) throw error;
      refused = error;
    } finally {
      reading.end();
    }
  }
  if (refused !== undefined) throw refused;
  throw new Failure({
    doing: `applying ${bundle.path}`,
    because: `Docker at ${engine.address} has no image ${image.source.config}${image.from === undefined ? '' : ` (release ${image.from})`}, from which it starts`,
    fix: 'use a bundle that starts from an image that `docker images` lists, or load the new release as a whole',
  });
}

export function closeSources({ files, ranges }: ReadSource): void {
  files.close();
  ranges.close();
}

/**
 * Filesystem layers that the source has, but on other ones: the classic store knows a filesystem layer only together
 * with all below it, so these must be in the archive.
 */
function missingByChain(info: EngineInfo, image: BundleImage, source: InspectedImage): Set<Digest> {
  if (info.store !== 'classic') return new Set();
  let common = 0;
  while (common < image.layers.length && image.layers[common]!.diffId === source.diffIds[common]) common++;
  const above = image.layers.slice(common).filter(({ carried }) => carried.kind === 'reused');
  return new Set(above.map(({ diffId }) => diffId));
}
