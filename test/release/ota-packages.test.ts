import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silent } from '../../src/progress.ts';
import { inspectBundle } from '../../src/delta/inspect.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { imgbuild } from '../e2e/cli.ts';
import { writeTree } from '../plan/saved-project.ts';
import { makeSmallProject, releaseSaved, smallProject } from './saved-project.ts';

// Each makes whole releases: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = makeSmallProject();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const env = () => ({ PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, '.imgbuild/cache') });
const cli = (...args: string[]) => imgbuild(folder, env(), ...args);

/** Two releases: the service's package changes with its image, the other one stays. */
async function releaseTwo(ota = '') {
  writeTree(folder, { 'imgbuild.yaml': `${smallProject['imgbuild.yaml']}${ota}` });
  const key = await generateSigningKey('Demo <demo@example.com>');
  const signKey = await readSigningKey(Buffer.from(key.privateKey), 'the key');
  await releaseSaved(folder, '1.0.0', { signKey });
  writeTree(folder, { 'service/app.txt': 'two' });
  return releaseSaved(folder, '1.1.0', { signKey });
}

/** What a bundle says of packages, read without imgbuild. */
function packagesIn(bundle: string) {
  const member = (name: string) => execFileSync('tar', ['-xOf', bundle, name], { maxBuffer: 2 ** 28 });
  const blob = (digest: string) => member(`blobs/sha256/${digest.slice('sha256:'.length)}`);
  const { manifests } = JSON.parse(member('index.json').toString());
  const found = manifests.filter((each: { artifactType: string }) => each.artifactType.includes('packages'));
  if (found.length === 0) return undefined;
  const { layers, artifactType } = JSON.parse(blob(found[0].digest).toString());
  expect([found.length, artifactType]).toEqual([1, 'application/vnd.imgbuild.packages.v1']);
  const [list, ...debs] = layers as { mediaType: string; digest: string }[];
  const carried = debs.map(({ mediaType, digest }) => {
    expect(mediaType).toBe('application/vnd.debian.binary-package');
    writeFileSync(join(folder, 'one.deb'), blob(digest));
    const fields = ['Package', 'Version'].map((field) => ['-f', join(folder, 'one.deb'), field]);
    return fields.map((args) => execFileSync('dpkg-deb', args).toString().trim()).join(' ');
  });
  return { list: JSON.parse(blob(list!.digest).toString()), carried };
}

describe('a bundle between releases', () => {
  test('lists all packages and carries those that changed; one from nothing carries all', async () => {
    const { directory, release } = await releaseTwo('ota: { full: true }\n');
    const file = (from: string) => join(directory!, release!.deltas.find((delta) => delta.from === from)!.file);
    const delta = packagesIn(file('1.0.0'))!;
    const listed = release!.debs.map(({ name, version, architecture, size, sha256 }) => {
      return { name, version, architecture, size, sha256 };
    });
    expect(listed.map(({ name, version }) => `${name} ${version}`)).toEqual([
      'quick-service 1.1.0',
      'quick-files 1.0.0',
    ]);
    expect(delta).toEqual({ list: { schema: 1, packages: listed }, carried: ['quick-service 1.1.0'] });
    const full = packagesIn(file('none'))!;
    expect(full).toEqual({ ...delta, carried: ['quick-service 1.1.0', 'quick-files 1.0.0'] });

    // Every byte of the file is accounted for.
    const bytes = statSync(file('1.0.0')).size;
    const signal = new AbortController().signal;
    const inspected = await inspectBundle(file('1.0.0'), bytes, { temporary: folder, progress: silent, signal });
    const service = release!.debs.find(({ name }) => name === 'quick-service')!;
    expect(inspected.hostPackages.map((each) => each.bytes)).toEqual([service.size, 0]);
    const layers = inspected.images[0]!.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    expect(inspected.documents + layers + service.size).toBe(bytes);
  });

  test('is made by hand as well, refused where a byte of a package is another, and has none where none are wanted', async () => {
    await releaseTwo();
    const made = await cli('ota', 'diff', '1.0.0', '1.1.0', '-o', 'by-hand.ota.tar');
    expect(made.stdout).toMatch(/packages of the host, 1 on the device already\n +quick-service 1\.1\.0, /);
    const verify = () => cli('ota', 'verify', 'by-hand.ota.tar', '--from', '1.0.0', '--allow-unsigned');
    expect((await verify()).stdout).toMatch(
      /package quick-service 1\.1\.0\n +package quick-files 1\.0\.0, which the device/,
    );
    const bytes = readFileSync(join(folder, 'by-hand.ota.tar'));
    bytes[bytes.indexOf('!<arch>\ndebian-binary') + 100]! ^= 1;
    writeFileSync(join(folder, 'by-hand.ota.tar'), bytes);
    expect(await verify()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('damaged') });

    writeTree(folder, { 'imgbuild.yaml': `${smallProject['imgbuild.yaml']}ota: { packages: false }\n` });
    const without = await cli('ota', 'diff', '1.0.0', '1.1.0', '-o', 'without.ota.tar', '--json');
    expect(JSON.parse(without.stdout).deltas[0].packages).toEqual([]);
    expect(packagesIn(join(folder, 'without.ota.tar'))).toBeUndefined();
  });
});
