import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { runChecked } from '../../src/process/run.ts';
import { writeReleaseFiles } from '../../src/release/checksums.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey, verifyDetached } from '../../src/signing/openpgp.ts';
import { parseRelease, type Release } from '../../src/release/release-json.ts';

test('sha256sum accepts the files of a release, a delta that is elsewhere is left out, and a key signs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'imgbuild-sums-'));
  try {
    const file = async (name: string) => {
      await writeFile(join(folder, name), name);
      return { file: name, size: name.length, sha256: createHash('sha256').update(name).digest('hex') };
    };
    const deb = { name: 'b', version: '1', architecture: 'all', ...(await file('b_1_all.deb')) };
    const delta = { from: '1.0.0', to: '1.1.0', platform: 'linux/amd64', ...(await file('a.ota.tar')) };
    const release: Release = {
      schema: 1,
      name: 'x',
      version: '1.1.0',
      previous: '1.0.0',
      revision: null,
      images: [],
      fingerprints: [],
      debs: [deb],
      models: [],
      deltas: [delta, { ...delta, file: 'elsewhere.ota.tar' }],
    };
    const written = await writeReleaseFiles(folder, release, (name) => name !== 'elsewhere.ota.tar', undefined);
    expect(parseRelease(await readFile(written))).toEqual(release);
    expect(await runChecked('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder })).toBe(
      'a.ota.tar: OK\nb_1_all.deb: OK\nrelease.json: OK\n',
    );
    expect(existsSync(join(folder, 'SHA256SUMS.asc'))).toBe(false);

    const { privateKey, publicKey } = await generateSigningKey('Acme <release@example.com>');
    const key = await readSigningKey(Buffer.from(privateKey), 'the key');
    await writeReleaseFiles(folder, release, (name) => name !== 'elsewhere.ota.tar', key);
    const [sums, signature] = [
      await readFile(join(folder, 'SHA256SUMS')),
      await readFile(join(folder, 'SHA256SUMS.asc')),
    ];
    const names = { document: 'the sums', keyring: 'the ring' };
    expect(await verifyDetached(sums, signature, Buffer.from(publicKey), names)).toMatchObject({
      fingerprint: key.fingerprint,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
