import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layer } from '../config/config.ts';
import { temporaryFolder } from '../context/temporary-folder.ts';
import { isBuilderArg } from '../dockerfile/analyse.ts';
import { placeOfLine } from '../dockerfile/generated.ts';
import { rewireText } from '../dockerfile/skip.ts';
import type { BuildEvent, BuildRequest, BuiltImage, Engine } from '../engine/engine.ts';
import { parseImageConfig } from '../engine/image-config.ts';
import { blobFile } from '../engine/oci-folder.ts';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { samePlatform } from '../oci/platform.ts';
import type { ChainLink } from '../plan/chain.ts';
import type { PlannedBuild } from '../plan/plan-layers.ts';
import { copyContent, type ImageSource } from '../store/copy-image.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { fileFailure } from '../store/file-failure.ts';
import { LayoutStore } from '../store/layout.ts';
import { readBlob } from '../store/read-blob.ts';
import { RegistryStore } from '../store/registry.ts';
import { saveLayer } from '../store/saved-layer.ts';
import { watchContext } from './unchanged.ts';
import { keepDescriptors } from './keep-descriptors.ts';
import { imageLabels } from './labels.ts';
import { layerAgents, layerSecrets } from './layer-secrets.ts';
import { lendSecrets } from './machine-settings.ts';
import { maskFor } from './mask.ts';
import { prepareContext } from './prepare-context.ts';
import { lendPackages, withoutMarks, type LentPackages, type PackageServers } from './packages.ts';
import { knownLayers, resolveParent, type ParentLookup, type ResolvedParent } from './parent-images.ts';
import type { LayerOutcome } from './event.ts';

/** 2020-01-01: every file and every config that an engine writes gets it, so that equal steps give equal bytes. */
export const sourceDateEpoch = 1_577_836_800;

export interface LayerBuild {
  build: PlannedBuild;
  lookup: ParentLookup;
  engine: Engine;
  servers: PackageServers;
  env: NodeJS.ProcessEnv;
  noCache: boolean;
  branch?: string;
  revision?: string;
  run?: string;
  source?: string;
  signal: AbortSignal;
  onStep(event: BuildEvent): void;
  onSaving(): void;
}

export interface LayerBuilt {
  outcome: LayerOutcome;
  digest: Digest;
  bytes: number;
}

/** Builds one layer on one platform and saves it. What it needs besides is made and removed here, also on Ctrl-C. */
export async function buildLayer(request: LayerBuild): Promise<LayerBuilt> {
  const { build, lookup, signal } = request;
  const { link } = build.inputs;
  const parents: ResolvedParent[] = [];
  for (const used of build.inputs.images) parents.push(await resolveParent(used, link.platform, lookup));
  const work = await temporaryFolder(lookup.config.root);
  try {
    const prepared = await prepareContext(request);
    const context = await build.context.materialise(prepared?.folder);
    let packages: LentPackages | undefined;
    try {
      signal.throwIfAborted();
      await rewireDockerfile(context.dockerfile, link);
      packages = await lendPackages({
        build,
        engine: request.engine,
        servers: request.servers,
        env: request.env,
        root: lookup.config.root,
        dockerfile: context.dockerfile,
        onStep: request.onStep,
        signal,
      });
      const watch = watchContext(lookup.config, build, signal);
      const layout = join(work.path, 'layout');
      const engineFolder = join(work.path, 'engine');
      const secretFolder = join(work.path, 'secrets');
      for (const folder of [layout, engineFolder, secretFolder]) await mkdir(folder, { mode: 0o700 });
      const base = parents.find(
        ({ image }) => image.reference === build.inputs.analysis.base && fromStage(build, image.reference),
      );
      const given = layerSecrets(lookup.config, link.layer, request.env);
      const lent = await lendSecrets(
        { inputs: build.inputs.inputs, instructions: link.dockerfile.instructions },
        given,
        request.env,
        secretFolder,
      );
      const wanted: BuildRequest = {
        layer: link.layer.name,
        platform: link.platform,
        context: context.path,
        dockerfile: context.dockerfile,
        dockerfileName: link.layer.dockerfile,
        ...placesOf(link.layer),
        ...(link.layer.target === undefined ? {} : { target: link.layer.target }),
        args: { ...declaredArgs(build), ...packages.args },
        labels: imageLabels(build, request.source),
        secrets: [...given, ...lent],
        ssh: layerAgents(lookup.config, link.layer, request.env),
        parents: parents.map(({ image }) => image),
        contexts: packages.contexts,
        base: base === undefined ? { diffIds: [], descriptors: [] } : await knownLayers(base),
        baseReference: base?.image.reference,
        sourceDateEpoch,
        noCache: request.noCache || packages.noCache,
        destination: destinationOf(request, layout),
        workFolder: engineFolder,
        signal: watch.signal,
      };
      const mask = await maskFor(given, request.env);
      const onStep = mask.events((event) =>
        request.onStep(event.kind === 'step-started' ? { ...event, name: withoutMarks(event.name) } : event),
      );
      let built: BuiltImage;
      try {
        built = await request.engine.build(wanted, (event) => {
          watch.onStep(event);
          onStep(event);
        });
        await watch.settled();
        await packages.checkUnchanged();
      } catch (error) {
        throw packages.explain(mask.error(error));
      } finally {
        await watch.close();
      }
      await packages.release();
      await prepared?.runAfter();
      request.onSaving();
      return await save(request, built, wanted, parents);
    } finally {
      await packages?.release();
      await context.dispose();
    }
  } catch (error) {
    throw outOfSpace(error) ? fileFailure(`building ${link.layer.name}`, error) : error;
  } finally {
    await work.remove();
  }
}

function placesOf({ generated }: Layer): Pick<BuildRequest, 'placeOf'> {
  return generated ? { placeOf: (line) => placeOfLine(generated, line) } : {};
}

/** The copy that goes to the engine: the one in the tree stays as it is. */
async function rewireDockerfile(file: string, { written, dockerfile }: ChainLink): Promise<void> {
  if (dockerfile === written) return;
  await writeFile(file, rewireText(await readFile(file, 'utf8'), written, dockerfile));
}

/** Of the disk on which the context and the image lie while a layer is built. */
function outOfSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** A COPY --from may name the same image for another platform. */
function fromStage(build: PlannedBuild, reference: string): boolean {
  const { platform } = build.inputs.link;
  return build.inputs.images.some(
    ({ use }) => use.via === 'from' && use.reference === reference && samePlatform(use.platform ?? platform, platform),
  );
}

/** Only those that the Dockerfile declares, and the builder's own: others reach no layer, and builders warn of them. */
function declaredArgs({ inputs }: PlannedBuild): Record<string, string> {
  const declared = new Set(inputs.analysis.declaredArgs);
  return Object.fromEntries(
    Object.entries(inputs.link.args).filter(([name]) => declared.has(name) || isBuilderArg(name)),
  );
}

function destinationOf({ build, lookup, engine, signal }: LayerBuild, layout: string): BuildRequest['destination'] {
  const { store } = lookup;
  if (!engine.abilities.push || !(store instanceof RegistryStore)) return { kind: 'layout', path: layout };
  const repository = build.planned.repository;
  return {
    kind: 'push',
    repository: `${store.registry}/${store.repositoryPath(repository)}`,
    async readBack(descriptor) {
      const manifest = await pushed(store, repository, descriptor);
      const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
      if (parsed.kind === 'index') throw notAnImage(repository);
      const { config } = parsed.manifest;
      const bytes = await readBlob(config, (blob) => store.openBlob(repository, blob, signal));
      return { config: config.digest, diffIds: parseImageConfig(bytes).rootfs.diff_ids };
    },
  };
}

async function pushed(store: LayerStore, repository: string, descriptor: Descriptor): Promise<StoredManifest> {
  const manifest = await store.getManifest(repository, descriptor.digest);
  if (manifest) return manifest;
  throw new Failure({
    doing: `reading back ${repository}@${descriptor.digest} from ${store.name}`,
    because: 'the builder says that it pushed it, and it is not there',
    fix: 'check that the builder and this machine reach the same registry under that name',
  });
}

function notAnImage(repository: string): Failure {
  const because = 'the builder made an index instead of an image';
  return new Failure({ doing: `building ${repository}`, because, fix: 'report it with what `imgbuild doctor` shows' });
}

async function save(
  request: LayerBuild,
  built: BuiltImage,
  { base, destination }: BuildRequest,
  parents: readonly ResolvedParent[],
): Promise<LayerBuilt> {
  const { build, lookup, signal } = request;
  const { store } = lookup;
  const { repository, fingerprint } = build.planned;
  const { link } = build.inputs;
  const source =
    destination.kind === 'layout' ? builtImage(destination.path, parents) : pushedImage(store, repository, parents);
  const made =
    destination.kind === 'layout'
      ? (await source.getManifest(built.descriptor.digest))!
      : await pushed(store, repository, built.descriptor);
  const kept = keepDescriptors(made, built.diffIds, base);
  const mountFrom = [...new Set(parents.flatMap((parent) => parent.mountFrom ?? []))];
  // What was pushed as it is lies there already.
  const stored = destination.kind === 'push' && kept === made;
  const bytes = stored ? 0 : (await copyContent(source, kept, store, repository, { mountFrom, signal })).uploaded;
  const saved = await saveLayer(store, repository, {
    layer: link.layer.name,
    platform: link.platform,
    fingerprint,
    image: { ...kept, descriptor: { ...kept.descriptor, platform: { ...link.platform } } },
    parents: Object.fromEntries(link.parents.map((name) => [name, lookup.digestOf(name)])),
    inputs: build.inputs.inputs,
    ...(request.branch === undefined ? {} : { branch: request.branch }),
    shared: lookup.config.layers.some(({ name, image }) => image.path === repository && name !== link.layer.name),
    ...(request.revision === undefined ? {} : { revision: request.revision }),
    ...(request.run === undefined ? {} : { run: request.run }),
    signal,
  });
  return { outcome: saved.outcome === 'adopted' ? 'adopted' : 'built', digest: saved.digest, bytes };
}

/** What the builder pushed, and for filesystem layers under other descriptors, the parents. */
function pushedImage(store: LayerStore, repository: string, parents: readonly ResolvedParent[]): ImageSource {
  return {
    getManifest: (reference) => store.getManifest(repository, reference),
    openBlob(blob, signal) {
      const bytes = holderOf(parents, blob.digest)?.bytes;
      return bytes ? bytes.openBlob(blob, signal) : store.openBlob(repository, blob, signal);
    },
  };
}

function holderOf(parents: readonly ResolvedParent[], digest: Digest): ResolvedParent | undefined {
  return parents.find(({ manifest }) => manifest !== undefined && names(manifest, digest));
}

/** What the engine wrote, and for filesystem layers that it left out, the parents. */
function builtImage(layout: string, parents: readonly ResolvedParent[]): ImageSource {
  const own = new LayoutStore(layout);
  return {
    getManifest: (reference) => own.getManifest('', reference),
    async openBlob(blob, signal) {
      if (await own.hasBlob('', blob.digest)) return own.openBlob('', blob, signal);
      const parent = holderOf(parents, blob.digest);
      if (parent?.bytes) return parent.bytes.openBlob(blob, signal);
      return own.openBlob('', blob, signal);
    },
    blobFile(blob) {
      const path = blobFile(layout, blob.digest);
      if (existsSync(path)) return { path, disposable: true };
      const parent = holderOf(parents, blob.digest);
      // A file that is not there is not looked for twice: the blob is streamed then.
      return parent?.bytes?.blobFile?.(blob) ?? { path, disposable: false };
    },
  };
}

function names({ bytes, descriptor }: StoredManifest, digest: Digest): boolean {
  const parsed = parseManifest(bytes, descriptor.mediaType);
  return parsed.kind === 'image' && parsed.manifest.layers.some((layer) => layer.digest === digest);
}
