import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ArtifactInput } from '../../src/artifact/input.ts';
import { artifactManifest } from '../../src/artifact/manifest.ts';
import { planArtifact } from '../../src/artifact/plan.ts';
import { restoreFile } from '../../src/artifact/restore.ts';
import { giveVersion, saveArtifact } from '../../src/artifact/save.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { silent } from '../../src/progress.ts';
import { describeReason } from '../../src/report/reason.ts';
import { inMemoryBlob } from '../../src/store/in-memory-blob.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { lastSaved } from '../../src/store/saved-layer.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };
const type = 'application/vnd.debian.binary-package';

/** How any artifact is saved and found again in every store: here a package of one file. */
export function describeSaving(name: string, open: () => LayerStore | Promise<LayerStore>): void {
  describe(`saved artifacts in ${name}`, () => {
    const content = randomBytes(300_000);
    const inputs: ArtifactInput[] = [
      { kind: 'artifact', type },
      { kind: 'file', path: 'models/yolo.bin', to: '/opt/yolo.bin', mode: '0644', sha256: 'a'.repeat(64) },
      { kind: 'field', name: 'Depends', value: 'docker.io' },
    ];
    let store: LayerStore;
    let repository: string;
    beforeEach(async () => {
      store = await open();
      repository = `debs/p${randomBytes(6).toString('hex')}`;
    });

    async function save(
      more: { inputs?: ArtifactInput[]; version?: string; platform?: typeof amd64; bytes?: Buffer } = {},
    ) {
      const { bytes = content, ...rest } = more;
      const config = inMemoryBlob(new TextEncoder().encode('{}'));
      const file = inMemoryBlob(bytes);
      for (const blob of [config, file]) await store.putBlob(repository, blob);
      const { digest, size } = file;
      const manifest = artifactManifest({
        artifactType: type,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config.digest, size: config.size },
        layers: [{ mediaType: type, digest, size }],
      });
      return saveArtifact(store, repository, { name: 'yolo', manifest, inputs, branch: 'main', ...rest });
    }
    const plan = (given: ArtifactInput[] = inputs, platform?: typeof amd64) =>
      planArtifact({ store, repository, inputs: given, platform, branches: ['feature', 'main'] });
    const changed = inputs.with(1, { ...inputs[1], sha256: 'b'.repeat(64) } as ArtifactInput);

    test('are reused while their inputs are the same, with the version that they were made for', async () => {
      expect(await plan()).toMatchObject({ action: 'make', reasons: [{ kind: 'never-built' }], former: undefined });
      const { digest, fingerprint } = await save({ version: '1.0.0' });
      expect(await plan(inputs.toReversed())).toMatchObject({
        action: 'reuse',
        fingerprint,
        saved: { digest, version: '1.0.0' },
      });
      const after = await plan(changed);
      if (after.action !== 'make') throw new Error('it is to be made');
      expect(after.reasons.map(describeReason)).toEqual(['models/yolo.bin changed']);
      expect(after.former).toMatchObject({ digest, version: '1.0.0' });
    });

    test('come back as a file, byte for byte, whole or not at all', async () => {
      await save();
      const found = await plan();
      if (found.action !== 'reuse') throw new Error('it is to be reused');
      const folder = mkdtempSync(join(tmpdir(), 'imgbuild-restore-'));
      const path = join(folder, 'yolo.deb');
      const layer = found.saved.manifest.layers[0]!;
      await restoreFile(store, repository, layer, path, { name: 'yolo.deb', progress: silent });
      expect(readFileSync(path).equals(content)).toBe(true);
      const gone = { digest: digestOf('never put'), size: 9 };
      await expect(
        restoreFile(store, repository, gone, join(folder, 'gone.deb'), { name: 'gone.deb', progress: silent }),
      ).rejects.toThrow();
      writeFileSync(path, 'older');
      await expect(
        restoreFile(store, repository, { ...layer, size: layer.size - 1 }, path, {
          name: 'yolo.deb',
          progress: silent,
        }),
      ).rejects.toThrow();
      expect(readFileSync(path, 'utf8')).toBe('older');
      expect(existsSync(join(folder, 'gone.deb'))).toBe(false);
      expect(readdirSync(folder)).toEqual(['yolo.deb']);
    });

    test('get the version of the first release that they are in, and keep it', async () => {
      await save();
      const before = await plan();
      if (before.action !== 'reuse') throw new Error('it is to be reused');
      expect(before.saved.version).toBeUndefined();
      await giveVersion(store, repository, before.saved, '1.2.0');
      expect(await plan()).toMatchObject({ action: 'reuse', saved: { version: '1.2.0', digest: before.saved.digest } });
    });

    test('of several platforms are apart, and explained by their own', async () => {
      const on = (architecture: string): ArtifactInput[] => [
        ...inputs,
        { kind: 'field', name: 'Architecture', value: architecture },
      ];
      await save({ inputs: on('amd64'), platform: amd64, bytes: Buffer.from('amd64') });
      await save({ inputs: on('arm64'), platform: arm64, bytes: Buffer.from('arm64') });
      expect(await lastSaved(store, repository, 'main', amd64)).toMatchObject({ platform: 'linux/amd64' });
      const after = await plan([...changed, on('amd64').at(-1)!], amd64);
      if (after.action !== 'make') throw new Error('it is to be made');
      expect(after.reasons.map(describeReason)).toEqual(['models/yolo.bin changed']);
    });

    test('whose record is gone are made anew', async () => {
      const { fingerprint } = await save();
      const other = await save({ inputs: changed, bytes: Buffer.from('other') });
      const wrong = (await store.getManifest(repository, `inputs-${other.fingerprint}`))!;
      await store.putManifest(repository, `inputs-${fingerprint}`, wrong);
      expect(await plan()).toMatchObject({ action: 'make', reasons: [{ kind: 'saved-broken' }, {}] });
    });
  });
}
