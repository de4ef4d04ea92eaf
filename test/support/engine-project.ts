import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { inject } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import type { BuildReport, LayerEvent } from '../../src/build/event.ts';
import { buildProject, type BuildProjectOptions } from '../../src/project/build.ts';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.ts';
import type { ImageConfig, ImageManifest } from '../../src/oci/manifest.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { silent } from '../../src/progress.ts';
import { openProject } from '../../src/project/open.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { openStore } from '../../src/store/open.ts';
import type { EngineForTests } from './engine-setup.ts';

export type AvailableEngine = Extract<EngineForTests, { available: true }>;

/** A repository on a busybox base, in a temporary folder, that is built on a real engine. */
export class EngineProject {
  readonly root: string;
  readonly engine: AvailableEngine;

  constructor(root: string, engine: AvailableEngine) {
    this.root = root;
    this.engine = engine;
  }

  async write(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.root, path)), { recursive: true });
      await writeFile(join(this.root, path), text);
    }
  }

  /** Of every layer; `events` collects what is told. */
  async build(options: Partial<BuildProjectOptions> = {}, events: LayerEvent[] = []): Promise<BuildReport> {
    const project = await openProject({ directory: this.root });
    const { report } = await buildProject(project, {
      layers: [],
      force: false,
      load: false,
      progress: silent,
      frozen: false,
      env: this.engine.env,
      signal: new AbortController().signal,
      onEvent: (event) => void events.push(event),
      ...options,
    });
    return report;
  }

  async store(): Promise<LayerStore> {
    return openStore((await openProject({ directory: this.root })).config.store);
  }

  docker(...args: string[]): Promise<string> {
    return runChecked('docker', args, { env: this.engine.env });
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** Names of what is left in the folder for temporary files. */
  async leftovers(): Promise<string[]> {
    return readdir(join(this.root, '.imgbuild/tmp')).catch(() => []);
  }
}

/** The base `tiny:1` is an OCI layout in the project; `files` bring imgbuild.yaml and the rest. */
export async function engineProject(engine: AvailableEngine, files: Record<string, string>): Promise<EngineProject> {
  const root = await mkdtemp(join(tmpdir(), 'imgbuild-test-'));
  const platform = hostPlatform();
  await writeBaseLayout(inject('rootfs').tiny, join(root, 'bases/tiny'), { reference: 'tiny:1', platform });
  const project = new EngineProject(root, engine);
  await project.write(files);
  return project;
}

/** `base` ← `engine` ← `service`, and `side` on `base`: each writes a file of its own. */
export const chainFiles: Record<string, string> = {
  'imgbuild.yaml': `version: 1
name: tiny
layers:
  base: { context: base, image: "tiny_base:1.0" }
  engine: { context: engine, image: tiny_engine }
  service: { context: service, image: tiny_service }
bases: { "tiny:1": oci:./bases/tiny }
`,
  'base/Dockerfile': 'FROM tiny:1\nRUN echo base > /base\n',
  'engine/Dockerfile': 'ARG TAG=1.0\nFROM tiny_base:${TAG}\nCOPY engine.txt /engine.txt\n',
  'engine/engine.txt': 'engine\n',
  'service/Dockerfile':
    'FROM tiny_engine\nCOPY service.txt /service.txt\nCMD ["cat", "/base", "/engine.txt", "/service.txt"]\n',
  'service/service.txt': 'service\n',
};

export interface SavedImage {
  digest: Digest;
  manifest: ImageManifest;
  config: ImageConfig;
  /** The uncompressed filesystem layers. */
  tars: Buffer[];
}

/** Reads a saved image whole, by its digest alone, and checks every diffID. */
export async function readSaved(store: LayerStore, repository: string, digest: Digest): Promise<SavedImage> {
  const stored = await store.getManifest(repository, digest);
  if (!stored) throw new Error(`${repository}@${digest} is not in ${store.name}`);
  const manifest = JSON.parse(Buffer.from(stored.bytes).toString()) as ImageManifest;
  const read = async (blob: ImageManifest['config']) => {
    const chunks: Buffer[] = [];
    for await (const chunk of await store.openBlob(repository, blob)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  const config = JSON.parse((await read(manifest.config)).toString()) as ImageConfig;
  const tars: Buffer[] = [];
  for (const [index, layer] of manifest.layers.entries()) {
    const tar = gunzipSync(await read(layer));
    const diffId = config.rootfs.diff_ids[index];
    if (digestOf(tar) !== diffId) throw new Error(`filesystem layer ${index} of ${repository} is not ${diffId}`);
    tars.push(tar);
  }
  return { digest, manifest, config, tars };
}

/** Every byte that a folder store holds, uncompressed: to see that something is nowhere in it. */
export async function storeContains(root: string, text: string): Promise<string[]> {
  const folder = join(root, '.imgbuild/store/blobs/sha256');
  const found: string[] = [];
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
    if (plain.includes(text)) found.push(hexOf(`sha256:${name}`));
  }
  return found;
}

export function outcomes(report: BuildReport): Record<string, string> {
  return Object.fromEntries(report.layers.map(({ name, outcome }) => [name, outcome]));
}
