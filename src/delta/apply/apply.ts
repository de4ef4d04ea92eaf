import { access, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../failure.ts';
import type { DockerEngine, EngineInfo } from '../../image-source/docker-engine.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { platformName } from '../../oci/platform.ts';
import { runChecked } from '../../process/run.ts';
import type { Progress } from '../../progress.ts';
import type { Verification } from '../../signing/openpgp.ts';
import { withFolderLock } from '../../store/folder-lock.ts';
import { tarOf } from '../bundle/member.ts';
import { openBundle, type Bundle, type BundleImage } from '../bundle/read.ts';
import { diskFailure } from '../disk-failure.ts';
import { fileSink, rebuildLayer, wantedSources, type GatheredSources } from '../rebuild.ts';
import { withTemporaryFolder } from '../../files/temporary-folder.ts';
import { checkSignature, type Trust } from '../verify.ts';
import { readCurrent, stateFolder, writeCurrent, type CurrentRelease } from './current.ts';
import { sameList } from './find-source.ts';
import { byDiffId, loadArchive, type ReadyLayer } from './load-archive.ts';
import { closeSources, readAnySource } from './read-any-source.ts';

export interface ApplyRequest {
  /** Absolute path of the bundle. */
  path: string;
  trust: Trust;
  engine: DockerEngine;
  /** Folder of the state of all projects: /var/lib/imgbuild. Temporary files lie there too. */
  state: string;
  progress: Progress;
  signal: AbortSignal;
  /** Bytes that a layer delta may need; 64 MiB unless said otherwise. */
  memory?: number;
}

export interface AppliedImage {
  reference: string | undefined;
  config: Digest;
  /** In the engine. */
  id: string;
  /** `present`: the engine had it already. */
  outcome: 'loaded' | 'present';
  diffIds: Digest[];
}

export interface AppliedBundle {
  path: string;
  version: string;
  signature: Verification | undefined;
  images: AppliedImage[];
  /** The file that says what runs. */
  current: string;
}

/**
 * Updates the engine from the old images to the new ones of a bundle: everything is checked and rebuilt before
 * anything is loaded, everything loaded is proven before a tag moves, and `current` is replaced last. Until then the
 * old release is what it was; done again after an interruption, it goes through.
 */
export async function applyBundle(request: ApplyRequest): Promise<AppliedBundle> {
  const { path, state } = request;
  const bundle = await openBundle(path, request.signal);
  try {
    const signature = await checkSignature(bundle, request.trust);
    const images = await bundle.images();
    const packages = await bundle.packages();
    if (packages.length > 0) {
      const count = packages.length === 1 ? 'its package' : `its ${packages.length} packages`;
      request.progress.note(`${count} for this host are left alone: imgbuild-ota installs them`);
    }
    const folder = stateFolder(state, projectOf(images));
    return await withFolderLock(join(folder, 'lock'), () =>
      withTemporaryFolder(folder, (temporary) =>
        applyImages(request, bundle, images, signature, { folder, temporary }),
      ),
    );
  } catch (error) {
    throw diskFailure(`applying ${path}`, state, error);
  } finally {
    await bundle.close();
  }
}

async function applyImages(
  request: ApplyRequest,
  bundle: Bundle,
  images: readonly BundleImage[],
  signature: Verification | undefined,
  place: { folder: string; temporary: string },
): Promise<AppliedBundle> {
  const { engine, progress, signal } = request;
  const info = await engine.info();
  const applied: AppliedImage[] = [];
  // An unreadable `current` is told before anything is done.
  await readCurrent(place.folder);
  try {
    for (const image of images) {
      const temporary = await mkdtemp(join(place.temporary, 'image-'));
      applied.push(await applyImage(request, info, bundle, image, temporary));
      await rm(temporary, { recursive: true });
    }
    signal.throwIfAborted();
    await syncEngine(info, progress);
  } catch (error) {
    // What was loaded has no tag yet: without the others it only takes space.
    for (const { id, outcome } of applied) if (outcome === 'loaded') await engine.removeImage(id).catch(() => {});
    throw error;
  }
  for (const { reference, id } of applied) {
    if (reference === undefined) continue;
    const { repository, tag } = splitReference(reference);
    await engine.tag(id, info.store === 'podman' ? withHost(repository) : repository, tag);
  }
  await syncEngine(info, progress);
  const version = images.find((image) => image.to !== undefined)?.to ?? versionOf(images[0]!);
  const current: CurrentRelease = { schema: 1, version, images: {} };
  for (const image of images) {
    current.images[nameOf(image)] = { config: image.config.descriptor.digest, platform: platformName(image.platform) };
  }
  await writeCurrent(place.folder, current);
  return { path: bundle.path, version, signature, images: applied, current: join(place.folder, 'current') };
}

async function applyImage(
  request: ApplyRequest,
  info: EngineInfo,
  bundle: Bundle,
  image: BundleImage,
  temporary: string,
): Promise<AppliedImage> {
  const { engine, progress, signal } = request;
  const config = image.config.descriptor.digest;
  const diffIds = image.layers.map(({ diffId }) => diffId);
  const done = (id: string, outcome: AppliedImage['outcome']): AppliedImage => ({
    reference: image.reference,
    config,
    id,
    outcome,
    diffIds,
  });
  const known = await engine.inspect(info.store !== 'containerd' ? config : image.manifest.descriptor.digest);
  if (known !== undefined && sameList(known.diffIds, diffIds)) {
    await engine.tryContainer(known.id);
    return done(known.id, 'present');
  }
  const wanted = await wantedSources(bundle, image);
  const { source, read } = await readAnySource(request, info, bundle, image, wanted, temporary);
  const ready = new Map<Digest, ReadyLayer>(read?.tars);
  try {
    const sources: GatheredSources = { file: (path) => read?.files.file(path), ranges: read?.ranges };
    for (const [at, layer] of image.layers.entries()) {
      if (layer.carried.kind === 'reused' || ready.has(layer.diffId)) continue;
      const path = join(temporary, `layer-${at}-${config.slice(7, 19)}.tar`);
      const sink = fileSink(path);
      const rebuilding = progress.transfer(`filesystem layer ${at + 1} of ${image.layers.length}: rebuilding`);
      try {
        const size = await rebuildLayer(bundle, layer, sources, sink, request);
        rebuilding.add(size);
        ready.set(layer.diffId, { path, size });
      } finally {
        sink.close();
        rebuilding.end();
      }
    }
  } finally {
    if (read !== undefined) closeSources(read);
  }
  const kept = info.store === 'podman' ? byDiffId(image) : (read?.descriptors ?? new Map<Digest, Descriptor>());
  const present = new Map([...kept].filter(([diffId]) => !ready.has(diffId)));
  const archive = loadArchive(image, ready, present);
  const id = info.store !== 'containerd' ? config : archive.manifest;
  const before = await engine.inspect(id);
  const loading = progress.transfer('loading');
  try {
    const messages = await engine.load(counted(tarOf(archive.members), loading), signal);
    await proveLoaded(engine, id, diffIds, messages);
  } catch (error) {
    // What is not proven has no tag; without one it only takes space.
    if (before === undefined) await engine.removeImage(id).catch(() => {});
    throw error;
  } finally {
    loading.end();
  }
  if (source !== undefined) progress.note(`made from the image ${source.id}`);
  // After an interruption it may be there, tagged, by another digest than it was asked for by.
  return done(id, before === undefined ? 'loaded' : 'present');
}

/** Docker's exit code and messages prove nothing: the image is asked for, and a container is made of it. */
async function proveLoaded(
  engine: DockerEngine,
  id: string,
  diffIds: readonly Digest[],
  messages: readonly string[],
): Promise<void> {
  const fail = (because: string, cause?: unknown) =>
    new Failure({
      doing: 'loading the new image',
      because,
      fix: `the old release is untouched; Docker said: ${messages.join('; ') || 'nothing'}`,
      cause,
    });
  const loaded = await engine.inspect(id);
  if (loaded === undefined) throw fail(`Docker at ${engine.address} has no image ${id} afterwards`);
  if (!sameList(loaded.diffIds, diffIds)) throw fail('the filesystem layers of what was loaded are other ones');
  await engine.tryContainer(id).catch((error: Error) => {
    throw fail(`no container can be made of it: ${error instanceof Failure ? error.because : error.message}`, error);
  });
}

/** A power cut must not take back what a tag or `current` speaks of: containerd does not sync what it unpacks. */
async function syncEngine(info: EngineInfo, progress: Progress): Promise<void> {
  let synced = 0;
  for (const folder of new Set([info.dataRoot, '/var/lib/containerd'])) {
    const exists =
      folder !== '' &&
      (await access(folder).then(
        () => true,
        () => false,
      ));
    if (!exists) continue;
    await runChecked('sync', ['-f', folder]);
    synced++;
  }
  if (synced === 0) progress.warn(`${info.dataRoot} is not on this host: it could not be synced to its disk`);
}

async function* counted(source: AsyncIterable<Buffer>, meter: { add(bytes: number): void }) {
  for await (const chunk of source) {
    meter.add(chunk.length);
    yield chunk;
  }
}

/** The project, else the last part of the image's name. */
function projectOf(images: readonly BundleImage[]): string {
  const named = images.find((image) => image.name !== undefined)?.name;
  return named ?? nameOf(images[0]!).replace(/^.*\//, '');
}

function nameOf(image: BundleImage): string {
  return image.reference === undefined ? 'image' : splitReference(image.reference).repository;
}

function versionOf(image: BundleImage): string {
  return image.reference === undefined ? image.config.descriptor.digest : splitReference(image.reference).tag;
}

/** podman names images without a registry so when it loads them, but not when it is told to tag them through Docker's API. */
function withHost(repository: string): string {
  const first = repository.split('/', 1)[0]!;
  const hasHost = first !== repository && (first === 'localhost' || /[.:]/.test(first));
  return hasHost ? repository : `localhost/${repository}`;
}

function splitReference(reference: string): { repository: string; tag: string } {
  const plain = reference.replace(/@.*$/, '');
  const colon = plain.lastIndexOf(':');
  if (colon <= plain.lastIndexOf('/')) return { repository: plain, tag: 'latest' };
  return { repository: plain.slice(0, colon), tag: plain.slice(colon + 1) };
}
