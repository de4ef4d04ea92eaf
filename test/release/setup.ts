import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkConfig } from '../../src/config/check.ts';
import type { Config } from '../../src/config/config.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { parsePlatform, platformName } from '../../src/oci/platform.ts';
import type { Plan, PlannedLayer } from '../../src/plan/plan.ts';
import { silent } from '../../src/progress.ts';
import { layerKey, type ReleaseRequest, type ReleaseSteps } from '../../src/release/release.ts';
import type { ReleasedDeb, ReleasedModel } from '../../src/release/release-json.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { findSaved, saveLayer } from '../../src/store/saved-layer.ts';
import { blobOf, stored } from '../store/content.ts';

/** A repository of three layers in a row whose inputs are one word each: enough to plan, build and release. */
export class TestProject {
  /** What each layer is made from. */
  inputs: Record<string, string> = { base: 'b1', engine: 'e1', service: 's1' };
  /** Files of the package, by name. */
  debs: Record<string, string> = { 'ccai_service_amd64.deb': 'unit' };
  models: Record<string, string> = {};
  built: string[] = [];
  platforms = ['linux/amd64'];
  configText = `version: 1
name: ccai
layers:
  base: { context: base, image: "runtime_base:jammy" }
  engine: { context: engine, image: runtime_engine }
  service: { context: service, image: "runtime:edge" }
`;
  readonly store: LayerStore;

  constructor(store: LayerStore) {
    this.store = store;
  }

  get config(): Config {
    const { config, failures } = checkConfig(this.configText, '/r/imgbuild.yaml', {
      defaultPlatform: parsePlatform('linux/amd64'),
    });
    if (failures.length > 0) throw failures[0]!;
    return config!;
  }

  async plan(): Promise<Plan> {
    const layers: PlannedLayer[] = [];
    for (const platform of this.platforms) {
      let below = '';
      let parent: string | undefined;
      for (const { name, image } of this.config.layers) {
        below = createHash('sha256').update(`${below} ${name} ${platform} ${this.inputs[name]}`).digest('hex');
        const found = await findSaved(this.store, image.path, below);
        const digest = found.kind === 'saved' ? found.digest : null;
        layers.push({
          name,
          platform,
          image: image.text,
          repository: image.path,
          fingerprint: below,
          action: digest ? 'reuse' : 'build',
          digest,
          parents: parent === undefined ? [] : [parent],
          wave: digest ? null : 0,
          comparedWith: null,
          reasons: [],
          reasonCount: 0,
        });
        parent = name;
      }
    }
    const hasWork = layers.some(({ action }) => action === 'build');
    return { schema: 1, store: this.store.name, layers, waves: [], hasWork, warnings: [] };
  }

  async build(plan: Plan): Promise<Map<string, Digest>> {
    const digests = new Map<string, Digest>();
    for (const { name, platform, repository, fingerprint, action } of plan.layers) {
      if (action === 'reuse') continue;
      const image = await this.#image(name, platform, repository, `${name} ${this.inputs[name]} ${platform}`);
      await saveLayer(this.store, repository, {
        layer: name,
        platform: parsePlatform(platform),
        fingerprint,
        image,
        parents: {},
        inputs: [],
      });
      digests.set(layerKey(name, platform), image.descriptor.digest);
      this.built.push(`${name} ${platform}`);
    }
    return digests;
  }

  async #image(name: string, platform: string, repository: string, content: string) {
    const config = Buffer.from(
      JSON.stringify({
        ...parsePlatform(platform),
        config: {},
        rootfs: { type: 'layers', diff_ids: [digestOf(content)] },
      }),
    );
    for (const bytes of [Buffer.from(content), config]) await this.store.putBlob(repository, blobOf(bytes));
    const descriptor = (type: string, bytes: Uint8Array): Descriptor => ({
      mediaType: type,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const manifest = stored({
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config: descriptor(mediaType.config, config),
      layers: [descriptor(mediaType.layerTar, Buffer.from(content))],
      annotations: { name, platform: platformName(parsePlatform(platform)) },
    });
    await this.store.putManifest(repository, manifest.descriptor.digest, manifest);
    return manifest;
  }

  steps(over: Partial<ReleaseSteps> = {}): ReleaseSteps {
    return {
      plan: () => this.plan(),
      build: (plan) => this.build(plan),
      packDebs: async (version) =>
        Object.entries(this.debs).map(([file, content]): ReleasedDeb => ({
          name: file.split('_')[0]!,
          version,
          architecture: 'amd64',
          file,
          size: content.length,
          sha256: createHash('sha256').update(content).digest('hex'),
        })),
      models: async () =>
        Object.entries(this.models).map(([name, content]): ReleasedModel => {
          const sha256 = createHash('sha256').update(content).digest('hex');
          const files = [{ path: `${name}.onnx`, size: content.length, sha256 }];
          return { name, size: content.length, files, repository: null, digest: null };
        }),
      deltas: async () => [],
      place: async () => {},
      ...over,
    };
  }

  request(version: string, over: Partial<ReleaseRequest> = {}): ReleaseRequest {
    const { config, store } = this;
    const common = { config, store, version, revision: 'a'.repeat(40), dryRun: false, progress: silent };
    return { ...common, steps: this.steps(), ...over };
  }
}

/** Every file of a folder and its content's digest: what changed is seen by comparing two of these. */
export async function snapshot(folder: string): Promise<Record<string, string>> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const entries = files.filter((file) => file.isFile() && !file.parentPath.endsWith('.lock'));
  const found: [string, string][] = [];
  for (const file of entries) {
    const path = join(file.parentPath, file.name);
    found.push([path.slice(folder.length + 1), digestOf(await readFile(path))]);
  }
  return Object.fromEntries(found.toSorted());
}
