import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deviceProver } from '../../src/delta/device-prover.ts';
import type { PackageChange } from '../../src/delta/bundle/packages.ts';
import { makeDelta } from '../../src/delta/make.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { runChecked } from '../../src/process/run.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { makeDeb } from './package-delta/debs.ts';
import { noise, sampleTar, writeOciArchive } from './sample-image.ts';

let folder: string;
let from: ImageSet;
let to: ImageSet;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-proof-'));
  const options = { directory: folder, platform: hostPlatform(), store: () => Promise.reject(new Error('unused')) };
  const model = noise(50_000, 'model');
  writeOciArchive(join(folder, 'old.tar'), [sampleTar([{ name: 'app/model', bytes: model }])]);
  writeOciArchive(join(folder, 'new.tar'), [sampleTar([{ name: 'srv/model', bytes: model }])], { reference: 'app:2' });
  from = await openImages('oci-archive:old.tar', options);
  to = await openImages('oci-archive:new.tar', options);
});
afterEach(async () => {
  await from.close();
  await to.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that notes how it was called, keeps the archive, says this on standard output and exits with that. */
function programThat(says: object, exitCode = 0): string {
  const path = join(folder, 'program');
  const lines = [
    '#!/bin/sh',
    `echo "$@" > ${folder}/called`,
    `env > ${folder}/environment`,
    `cp "$4" ${folder}/archive.tar`,
    `[ "$5" != --packages ] || cp -rT "$6" ${folder}/packages`,
    `echo '${JSON.stringify(says)}'`,
    'echo "it is a bad one" >&2',
    `exit ${exitCode}`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function make(program: string, privateKey?: string) {
  const signKey = privateKey && (await readSigningKey(Buffer.from(privateKey), 'the key'));
  return makeDelta({
    from,
    to,
    output: join(folder, 'out.ota.tar'),
    name: 'app',
    prover: deviceProver({ path: program, version: '1.2.3', sha256: 'f'.repeat(64) }),
    ...(signKey ? { signKey } : {}),
    progress: silent,
    signal: new AbortController().signal,
  });
}
const config = () => to.images[0]!.config.descriptor.digest;
const made = () => readdirSync(folder).filter((name) => name.includes('ota.tar'));

test('the program gets the bundle, the key that signed it, and the old images as other tools read them', async () => {
  const { privateKey } = await generateSigningKey('Releases <releases@example.com>');
  const report = await make(programThat({ images: [{ config: config(), applied: true }] }), privateKey);
  expect(report.provenBy).toEqual({ name: 'imgbuild-ota', version: '1.2.3', sha256: 'f'.repeat(64) });
  expect(readFileSync(join(folder, 'called'), 'utf8')).toMatch(
    /^verify \S+out\.ota\.tar --from \S+ --json --keyring \S+\n$/,
  );
  expect(readFileSync(join(folder, 'environment'), 'utf8')).not.toContain('DOCKER_HOST');
  expect(made()).toEqual(['out.ota.tar']);
  const tar = (...args: string[]) => runChecked('tar', [...args, '-f', join(folder, 'archive.tar')]);
  const index = JSON.parse(await tar('-xO', 'index.json')) as { manifests: { digest: string }[] };
  expect(index.manifests).toEqual([from.images[0]!.manifest.descriptor]);
  expect((await tar('-t')).split('\n')).toContain(
    `blobs/sha256/${from.images[0]!.layers[0]!.descriptor.digest.slice(7)}`,
  );
});

test('what it refuses gets no name', async () => {
  const refused = make(programThat({ images: [{ config: config(), applied: true }] }, 1));
  await expect(refused).rejects.toMatchObject({ name: 'Failure', because: expect.stringContaining('it is a bad one') });
  expect(made()).toEqual([]);
  expect(existsSync(join(folder, 'archive.tar'))).toBe(true);
});

test('a program that made something else, or less, or only looked, proves nothing', async () => {
  const other = `sha256:${'0'.repeat(64)}`;
  for (const images of [
    [],
    [{ config: other, applied: true }],
    [{ config: config(), applied: false }],
    [{ config: config() }],
  ]) {
    await expect(make(programThat({ images }))).rejects.toMatchObject({
      because: 'what it makes is not oci-archive:new.tar',
    });
  }
  expect(made()).toEqual([]);
});

test('old packages are handed over with nothing compressed, and each new one has to come out', async () => {
  const [one, two] = [makeDeb(folder, '1', 'xz', {}), makeDeb(folder, '2', 'zstd', {})];
  const delta = {
    from: '1',
    path: 'unused',
    size: 1,
    digest: `sha256:${two.sha256}` as const,
    plain: { size: 1, sha256: '' },
  };
  const changes: PackageChange[] = [
    { package: two, carried: { kind: 'delta', delta } },
    { package: { ...one, name: 'same' }, carried: { kind: 'reused' } },
  ];
  const prove = (said: object[] | undefined) =>
    deviceProver({ path: programThat({ images: [], packages: said }), version: '1.2.3', sha256: '' }).prove({
      path: 'some.ota.tar',
      pairs: [],
      packages: { changes, from: [two, one] },
      signKey: undefined,
      temporary: folder,
      progress: silent,
      signal: new AbortController().signal,
    });
  const app = { digest: `sha256:${two.sha256}`, carried: true, from: '1', applied: true };
  const same = { digest: `sha256:${one.sha256}`, carried: false, applied: false };
  await prove([app, same]);
  const handed = join(folder, 'packages/0.deb');
  expect(readdirSync(join(folder, 'packages'))).toEqual(['0.deb']);
  expect(await runChecked('dpkg-deb', ['-f', handed, 'Package', 'Version'])).toBe('Package: app\nVersion: 1\n');
  expect(await runChecked('ar', ['t', handed])).toBe('debian-binary\ncontrol.tar\ndata.tar\n');
  expect(existsSync(join(folder, 'old-packages'))).toBe(false);

  for (const said of [
    undefined,
    [app],
    [{ ...app, applied: false }, same],
    [{ ...app, from: '0' }, same],
    [{ ...app, digest: same.digest }, same],
    [app, { ...same, carried: true }],
  ]) {
    await expect(prove(said)).rejects.toMatchObject({ because: 'its packages are not those of the release' });
  }
});
