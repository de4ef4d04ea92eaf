import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { debianArchitecture } from '../deb/architecture.ts';
import { debRepository } from '../deb/repository.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { LayerStore } from '../store/layer-store.ts';
import type { SourcePackage } from './image.ts';
import { verified } from './verified.ts';

/**
 * The packages that release.json lists for a platform, those for all architectures with them. Their files are in the store,
 * but those that dpkg-buildpackage made; all of them lie in `folder`, where the release was made.
 */
export function releasePackages(
  release: Record<string, unknown>,
  platform: Platform,
  store: Pick<LayerStore, 'name' | 'hasBlob' | 'openBlob'>,
  folder: string,
): SourcePackage[] {
  const debs = Array.isArray(release['debs']) ? (release['debs'] as Record<string, unknown>[]) : [];
  const architectures = ['all', debianArchitecture(platform)];
  return debs.flatMap(({ name, version, architecture, file, size, sha256 }): SourcePackage[] => {
    if (typeof name !== 'string' || typeof version !== 'string' || typeof architecture !== 'string') return [];
    if (typeof file !== 'string' || typeof size !== 'number' || typeof sha256 !== 'string') return [];
    if (!architectures.includes(architecture)) return [];
    const bytes = () => openPackage(store, join(folder, file), { name, version, size, sha256 });
    return [{ name, version, architecture, size, sha256, bytes }];
  });
}

async function* openPackage(
  store: Pick<LayerStore, 'name' | 'hasBlob' | 'openBlob'>,
  file: string,
  { name, version, size, sha256 }: Pick<SourcePackage, 'name' | 'version' | 'size' | 'sha256'>,
) {
  const expected = { digest: `sha256:${sha256}` as Digest, size };
  const repository = debRepository(name);
  const what = `the package ${name} ${version}`;
  if (await store.hasBlob(repository, expected.digest)) {
    yield* verified(await store.openBlob(repository, expected), expected, `${what} in ${store.name}`);
    return;
  }
  const there = await stat(file).catch(() => undefined);
  if (there?.isFile() !== true) {
    throw new Failure({
      doing: `reading ${what}`,
      because: `neither ${store.name} nor ${file} has it`,
      fix: 'bring the files of the release there, or write `ota: { packages: false }` into imgbuild.yaml',
    });
  }
  yield* verified(createReadStream(file, { highWaterMark: 1024 * 1024 }), expected, file);
}
