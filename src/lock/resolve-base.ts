import type { BaseSource } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { platformName, samePlatform, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference, type ImageReference } from '../oci/reference.ts';
import { silent, type Progress } from '../progress.ts';
import type { DaemonImages } from './daemon-images.ts';
import { indexDigest, lockPlatform, type ImageReader } from './image-reader.ts';
import { layoutReader } from './layout-reader.ts';
import { familiar } from './lock-file.ts';
import type { LockedBase, LockedPlatform } from './lock.ts';
import { slipOf, type OwnImage } from './nearest-image.ts';

/** Where bases can come from. */
export interface BaseSources {
  /** `bases:` of the configuration, by normalised reference: these are looked for nowhere else. */
  layouts: ReadonlyMap<string, BaseSource>;
  /** The repository of a reference, in its registry. */
  registry(reference: ImageReference): ImageReader | Promise<ImageReader>;
  daemon: DaemonImages;
  /** The layers' own images: a base that nearly has such a name is most likely a slip of the pen. */
  ownImages?: readonly OwnImage[];
  progress?: Progress;
}

export interface ResolveBaseOptions {
  /** A former answer: more platforms of the same image are taken from its index. */
  pinned?: LockedBase | undefined;
  /** What was most likely meant, for a message where there is no such image. */
  meant?: string | undefined;
}

/** A base as it is now. */
export async function resolveBase(
  reference: string,
  platforms: readonly Platform[],
  sources: BaseSources,
  { pinned, meant }: ResolveBaseOptions = {},
): Promise<LockedBase> {
  const parsed = parseReference(reference);
  const name = formatReference(parsed);
  const layout = sources.layouts.get(name);
  if (layout) {
    const reader = layoutReader(layout);
    const locked = await lockAll(reader, await reader.root(), platforms, familiar(name));
    return { reference: name, from: layout.text as `oci:${string}`, ...locked };
  }
  const found = await fromOutside(parsed, platforms, sources, { pinned, meant });
  const slip = slipOf(familiar(name), sources.ownImages ?? []);
  if (slip !== undefined) {
    const text = `${familiar(name)} is no image of a layer (did you mean ${slip}?): it is taken from outside`;
    (sources.progress ?? silent).warn(text);
  }
  return found;
}

async function fromOutside(
  parsed: ImageReference,
  platforms: readonly Platform[],
  sources: BaseSources,
  { pinned, meant }: ResolveBaseOptions,
): Promise<LockedBase> {
  const name = formatReference(parsed);
  if (pinned?.from === 'daemon') return fromDaemon(parsed, platforms, sources, { meant });
  try {
    const reader = await sources.registry(parsed);
    const root = await reader.getManifest(pinned?.index ?? parsed.digest ?? parsed.tag!);
    if (root) return { reference: name, from: 'registry', ...(await lockAll(reader, root, platforms, familiar(name))) };
  } catch (error) {
    // What the image itself is lacking is said at once; that a registry cannot be asked need not matter.
    if (!(error instanceof Failure) || error.kind === 'input') throw error;
    return fromDaemon(parsed, platforms, sources, { refusal: error, meant });
  }
  return fromDaemon(parsed, platforms, sources, { meant });
}

async function lockAll(reader: ImageReader, root: StoredManifest, platforms: readonly Platform[], name: string) {
  const locked = new Map<string, LockedPlatform>();
  for (const platform of platforms) {
    locked.set(platformName(platform), await lockPlatform(reader, root, platform, name));
  }
  return { index: indexDigest(root), platforms: locked };
}

async function fromDaemon(
  reference: ImageReference,
  platforms: readonly Platform[],
  sources: BaseSources,
  { refusal, meant }: { refusal?: Failure; meant: string | undefined },
): Promise<LockedBase> {
  const name = formatReference(reference);
  const shown = familiar(name);
  const why = refusal !== undefined ? refusal.because : `${reference.registry} has no such image`;
  const found = await sources.daemon.inspect(shown).catch((error: unknown) => {
    const local = error instanceof Failure ? error.because : String(error);
    throw notFound(shown, `${why}; the local Docker cannot be asked (${local})`, meant, refusal ?? error);
  });
  if (!found) throw notFound(shown, `${why}, and the local Docker has none`, meant, refusal);
  const other = platforms.find((platform) => !samePlatform(platform, found.platform));
  if (other) {
    throw new Failure({
      doing: `locking ${shown}`,
      because: `the local Docker has it for ${platformName(found.platform)}, not for ${platformName(other)}`,
      fix: `push it to a registry for ${platformName(other)} too, or name an OCI layout under bases:`,
      kind: 'input',
    });
  }
  (sources.progress ?? silent).warn(`${shown} is in the local Docker only (${why}): --frozen refuses such a base`);
  return {
    reference: name,
    from: 'daemon',
    index: null,
    platforms: new Map([[platformName(found.platform), found.locked]]),
  };
}

function notFound(shown: string, because: string, meant: string | undefined, cause: unknown): Failure {
  const correct = meant === undefined ? 'correct the FROM,' : `did you mean ${meant}? Else`;
  return new Failure({
    doing: `locking ${shown}`,
    because,
    fix: `${correct} log in with \`docker login\`, or name an OCI layout in imgbuild.yaml: bases: { ${JSON.stringify(shown)}: oci:DIR }`,
    cause,
  });
}
