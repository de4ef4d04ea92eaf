import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { hostPlatform } from '../../src/oci/platform.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { openProject, type Project } from '../../src/project/open.ts';
import { planProject } from '../../src/project/plan.ts';
import { releaseProject, type ProjectRelease, type ReleaseProjectOptions } from '../../src/project/release.ts';
import { silent } from '../../src/progress.ts';
import { saveLayer } from '../../src/store/saved-layer.ts';
import { noise, sampleLayout, sampleTar } from '../delta/sample-image.ts';
import { writeTree } from '../plan/saved-project.ts';
import { snapshot } from './setup.ts';

/** A chain on nothing with a package: what a release needs, and no engine. */
export const smallProject = {
  'imgbuild.yaml': `version: 1
name: quick
layers:
  service: { context: service, image: quick_service, release: true }
debs:
  quick-service:
    service: service
    description: service of the quick example
    maintainer: imgbuild examples <examples@example.com>
  quick-files:
    description: files of the quick example
    maintainer: imgbuild examples <examples@example.com>
    contents: [{ src: files/a.txt, dst: /usr/share/quick/a.txt }]
`,
  'service/Dockerfile': 'FROM scratch\nCOPY app.txt /\n',
  'service/app.txt': 'one',
  'files/a.txt': 'one',
};

export function makeSmallProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-release-'));
  writeTree(folder, smallProject);
  return folder;
}

/** Saves the images that a build would make: one filesystem layer whose contents follow the fingerprint. */
export async function saveImages(folder: string): Promise<Project> {
  const project = await openProject({ directory: folder });
  const { builds } = await planProject(project, { layers: [], force: [], frozen: false, progress: silent });
  for (const { planned, inputs } of builds) {
    if (planned.digest !== null) continue;
    const contents = Buffer.concat([noise(200_000, 'same'), noise(1_000, planned.fingerprint)]);
    const { files, image } = sampleLayout([sampleTar([{ name: 'app', bytes: contents }])]);
    for (const [name, bytes] of files) {
      if (!name.startsWith('blobs/')) continue;
      await project.store.putBlob(planned.repository, {
        digest: `sha256:${name.slice('blobs/sha256/'.length)}`,
        size: bytes.length,
        open: (offset = 0) => Readable.from([bytes.subarray(offset)]),
      });
    }
    const bytes = files.get(`blobs/sha256/${image.manifest.slice(7)}`)!;
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    await saveLayer(project.store, planned.repository, {
      layer: planned.name,
      platform: hostPlatform(),
      fingerprint: planned.fingerprint,
      image: { descriptor: { mediaType, digest: image.manifest as Digest, size: bytes.length }, bytes },
      parents: {},
      inputs: inputs.inputs,
      branch: 'main',
    });
  }
  return project;
}

export async function releaseSaved(
  folder: string,
  version: string,
  over: Partial<ReleaseProjectOptions> = {},
): Promise<ProjectRelease> {
  const project = await saveImages(folder);
  return releaseProject(project, {
    version,
    dryRun: false,
    frozen: false,
    env: { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, '.imgbuild/cache') },
    progress: silent,
    signal: new AbortController().signal,
    onEvent: () => {},
    ...over,
  });
}

/** Every file below the folder and its content's digest, but what plans remember of files: a cache. */
export async function filesOfProject(folder: string): Promise<Record<string, string>> {
  const files = Object.entries(await snapshot(folder));
  return Object.fromEntries(files.filter(([name]) => !name.startsWith('.imgbuild/cache/')));
}
