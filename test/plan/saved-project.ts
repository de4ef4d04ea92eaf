import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { openProject } from '../../src/project/open.ts';
import { planProject, type ProjectPlanOptions } from '../../src/project/plan.ts';
import { silent } from '../../src/progress.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { saveLayer } from '../../src/store/saved-layer.ts';

export type Tree = Record<string, string>;

/** Writes files below a folder; a path that ends with / is an empty folder. */
export function writeTree(folder: string, tree: Tree): void {
  for (const [name, text] of Object.entries(tree)) {
    const file = path.join(folder, name);
    mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(file, text);
  }
}

export function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    encoding: 'utf8',
  });
}

/** The three layers of CCAI, small, on a base whose lock line is made up: a plan reads no byte of it. */
export const chain: Tree = {
  'imgbuild.yaml': `version: 1
name: ccai
args: { OPENVINO: "y" }
layers:
  base: { context: docker/base, image: "service_runtime_base:ubuntu_20.04" }
  engine: { context: docker/engine, image: "service_runtime_inference_engine:ubuntu_20.04" }
  service: { context: docker/service, image: service_runtime, release: true }
`,
  'imgbuild.lock': `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms: { 'linux/amd64': { manifest: digestOf('base'), env: [], onbuild: [] }, 'linux/arm64': { manifest: digestOf('base'), env: [], onbuild: [] } } })}\n`,
  'docker/base/Dockerfile': 'FROM debian:12\nRUN apt-get update\n',
  'docker/engine/Dockerfile': 'FROM service_runtime_base:ubuntu_20.04\nARG OPENVINO\nRUN install\n',
  'docker/service/Dockerfile': 'FROM service_runtime_inference_engine:ubuntu_20.04\nARG OPENVINO\nCOPY app.py /srv/\n',
  'docker/service/app.py': 'print("hello")\n',
  'README.md': 'not copied by anyone\n',
};

export function newRepository(tree: Tree = chain): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-plan-'));
  writeTree(folder, tree);
  git(folder, 'init', '-q', '-b', 'main');
  writeFileSync(path.join(folder, '.gitignore'), '.imgbuild/\n');
  git(folder, 'add', '-A');
  git(folder, 'commit', '-qm', 'first');
  return folder;
}

export async function plan(folder: string, options: Partial<ProjectPlanOptions> = {}) {
  const project = await openProject({ directory: folder });
  const planned = await planProject(project, { layers: [], force: [], frozen: true, progress: silent, ...options });
  return { project, ...planned };
}

/** `base reuse`, `service build: file-changed docker/service/app.py`: what a test compares with. */
export async function outcomes(folder: string, options: Partial<ProjectPlanOptions> = {}): Promise<string[]> {
  const { plan: result } = await plan(folder, options);
  return result.layers.map(({ name, action, reasons }) => {
    const words = reasons.map((reason) => [reason.kind, reason.path ?? reason.name].filter(Boolean).join(' '));
    return words.length === 0 ? `${name} ${action}` : `${name} ${action}: ${words.join(', ')}`;
  });
}

async function putImage(store: LayerStore, repository: string, text: string) {
  const bytes = Buffer.from(text);
  const config = { mediaType: mediaType.config, digest: digestOf(bytes), size: bytes.length };
  await store.putBlob(repository, { ...config, open: (offset = 0) => Readable.from([bytes.subarray(offset)]) });
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaType.manifest, config, layers: [] }));
  const descriptor = { mediaType: mediaType.manifest, digest: digestOf(manifest), size: manifest.length };
  await store.putManifest(repository, descriptor.digest, { descriptor, bytes: manifest });
  return { descriptor, bytes: manifest };
}

/** Saves what a plan would build, as a build does, with images that hold nothing: plans look at manifests alone. */
export async function saveAll(folder: string, note = ''): Promise<Map<string, Digest>> {
  const { project, builds } = await plan(folder);
  const digests = new Map<string, Digest>();
  for (const { planned, inputs } of builds) {
    if (planned.digest !== null) {
      digests.set(planned.name, planned.digest);
      continue;
    }
    const image = await putImage(project.store, planned.repository, `${planned.fingerprint}${note}`);
    const saved = await saveLayer(project.store, planned.repository, {
      layer: planned.name,
      platform: inputs.link.platform,
      fingerprint: planned.fingerprint,
      image,
      parents: Object.fromEntries(planned.parents.map((name) => [name, digests.get(name)!])),
      inputs: inputs.inputs,
      branch: 'main',
      shared: project.config.layers.filter((layer) => layer.image.path === planned.repository).length > 1,
    });
    digests.set(planned.name, saved.digest);
  }
  return digests;
}
