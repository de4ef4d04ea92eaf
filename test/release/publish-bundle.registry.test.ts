import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { ImageIndex, ImageManifest } from '../../src/oci/manifest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { runChecked } from '../../src/process/run.ts';
import { silent } from '../../src/progress.ts';
import type { Channel } from '../../src/release/channel-json.ts';
import { publishBundle, type PublishedBundle } from '../../src/release/publish-bundle.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { decideGc } from '../../src/store/gc.ts';
import { readInventory } from '../../src/store/inventory.ts';
import { findFaults } from '../../src/store/verify.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { noise } from '../delta/sample-image.ts';
import { imgbuild } from '../e2e/cli.ts';
import { writeTree } from '../plan/saved-project.ts';
import { putImage } from '../store/content.ts';
import { startGhcrProxy, type GhcrProxy } from '../support/ghcr-proxy.ts';
import { releaseSaved, smallProject } from './saved-project.ts';

const { plain } = inject('registries');
const { privateKey } = await generateSigningKey('Releases <releases@example.com>');
const signKey = await readSigningKey(Buffer.from(privateKey), 'the key');
const signal = new AbortController().signal;
let folder: string;
let path: string;
let count = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-publish-'));
  path = `publish${process.pid}/${count++}`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** As a stranger reads it who knows the specification: by the tag, since this registry has no list of its own. */
async function referrers(repository: string, subject: string): Promise<ImageIndex['manifests']> {
  const api = await fetch(`http://${plain.host}/v2/${repository}/referrers/${subject}`);
  expect(api.status).toBe(404);
  const answer = await fetch(`http://${plain.host}/v2/${repository}/manifests/${subject.replace(':', '-')}`, {
    headers: { accept: mediaType.index },
  });
  expect(answer.headers.get('content-type')).toBe(mediaType.index);
  return ((await answer.json()) as ImageIndex).manifests;
}

/** By skopeo: the artifact's manifest, and the bytes of its one file. */
async function copied(repository: string, digest: string): Promise<{ manifest: ImageManifest; file: Buffer }> {
  const target = join(folder, 'copied');
  const reference = `docker://${plain.host}/${repository}@${digest}`;
  await runChecked('skopeo', ['copy', '--quiet', '--src-tls-verify=false', reference, `dir:${target}`]);
  const manifest = JSON.parse(readFileSync(join(target, 'manifest.json'), 'utf8')) as ImageManifest;
  return { manifest, file: readFileSync(join(target, manifest.layers[0]!.digest.slice(7))) };
}

test('a release publishes its deltas beside its image; `ota diff --push` and `promote --delta` what is made later', async () => {
  const config = `version: 1
name: quick
store: ${plain.host}/${path}
layers:
  service: { context: service, image: quick_service, release: true }
`;
  const { 'service/Dockerfile': dockerfile } = smallProject;
  writeTree(folder, { 'imgbuild.yaml': config, 'service/Dockerfile': dockerfile, 'service/app.txt': 'one' });
  await releaseSaved(folder, '1.0.0');
  writeTree(folder, { 'service/app.txt': 'two' });
  const { release, directory } = await releaseSaved(folder, '1.1.0', { signKey });
  const [delta] = release!.deltas;
  const subject = release!.images[0]!.digest;
  const repository = `${path}/quick_service`;
  const listed = await referrers(repository, subject);
  expect(delta!.referrers).toEqual([{ repository: 'quick_service', digest: listed[0]!.digest }]);
  expect(listed).toMatchObject([
    {
      mediaType: mediaType.manifest,
      artifactType: 'application/vnd.imgbuild.ota.v1',
      annotations: { 'org.imgbuild.ota.from': '1.0.0', 'org.imgbuild.ota.to': '1.1.0' },
    },
  ]);
  const { manifest, file } = await copied(repository, listed[0]!.digest);
  expect(manifest.subject!.digest).toBe(subject);
  expect(manifest.layers).toMatchObject([{ annotations: { 'org.opencontainers.image.title': delta!.file } }]);
  expect(sha256(file)).toBe(delta!.sha256);
  expect(file.equals(readFileSync(join(directory!, delta!.file)))).toBe(true);
  // Looking after the store knows the list under its tag: nothing of it is damaged or garbage.
  const store = new RegistryStore(plain.host, path);
  const inventory = await readInventory(store, []);
  expect(await findFaults(store, inventory, { bytes: true })).toEqual(new Map());
  const removals = decideGc(inventory, [], { keep: 0, now: new Date(Date.now() + 9e9), grace: 0 }).removals;
  expect(removals.map(({ digest }) => digest)).not.toContain(listed[0]!.digest);

  const key = join(folder, 'key.asc');
  writeFileSync(key, privateKey);
  const env = { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') };
  const diff = ['ota', 'diff', 'none', '1.1.0', '-o', 'later.ota.tar', '--sign-key', key, '--push', '--json'];
  const made = await imgbuild(folder, env, ...diff);
  expect(made.exitCode, made.stderr).toBe(0);
  const later = readFileSync(join(folder, 'later.ota.tar'));
  const [{ published }] = (JSON.parse(made.stdout) as { deltas: [{ published: PublishedBundle[] }] }).deltas;
  expect(published).toMatchObject([{ outcome: 'put', sent: later.length }]);
  const both = await referrers(repository, subject);
  expect(both.map(({ digest }) => digest)).toEqual([listed[0]!.digest, published[0]!.digest]);
  expect(published[0]!.reference).toBe(`${plain.host}/${repository}@${published[0]!.digest}`);
  expect((await copied(repository, published[0]!.digest)).file.equals(later)).toBe(true);

  // The same file by the other way is the same artifact: it is there.
  const url = `http://${plain.host}/v2/${repository}/blobs/sha256:{sha256}`;
  const args = ['--channel', 'stable', '--delta', 'later.ota.tar', '--url', url, '--sign-key', key, '--json'];
  const promoted = await imgbuild(folder, env, 'promote', '1.1.0', ...args);
  expect(promoted.exitCode, promoted.stderr).toBe(0);
  expect(await referrers(repository, subject)).toEqual(both);
  // What devices make of the channel's URL is the file.
  const { urls, deltas } = JSON.parse(promoted.stdout) as Channel;
  const full = deltas.find(({ from }) => from === 'none')!;
  const blob = await fetch(urls[0]!.replace('{sha256}', full.sha256));
  expect(later.equals(Buffer.from(await blob.arrayBuffer()))).toBe(true);
});

describe('before a registry as GitHub has it', () => {
  let proxy: GhcrProxy;
  beforeEach(async () => (proxy = await startGhcrProxy(plain.host)));
  afterEach(() => proxy.close());
  const storeOf = (who: 'writer' | 'reader') =>
    new RegistryStore(proxy.host, path, { credentials: async () => ({ kind: 'password' as const, ...proxy[who] }) });

  /** A bundle of two images, which nobody looks into here. */
  async function bundle(store: RegistryStore) {
    const bytes = noise(300_000, path);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'app_1_2.ota.tar');
    writeFileSync(file, bytes);
    const digest: Digest = `sha256:${sha256(bytes)}`;
    const facts = {
      name: 'app',
      from: '1',
      to: '2',
      platform: 'linux/amd64',
      file: 'app_1_2.ota.tar',
      size: bytes.length,
      digest,
    };
    const images = [
      await putImage(storeOf('writer'), 'one', '2', ['1']),
      await putImage(storeOf('writer'), 'two', '2', ['2']),
    ];
    const subjects = images.map(({ descriptor }, at) => ({
      store,
      repository: ['one', 'two'][at]!,
      manifest: descriptor,
    }));
    return () => publishBundle(facts, file, subjects, { progress: silent, signal });
  }

  test('the file is sent once for all images, and never again', async () => {
    const publish = await bundle(storeOf('writer'));
    const sentBytes = () => proxy.log.reduce((sum, { sent }) => sum + sent, 0);
    proxy.log.length = 0;
    const first = await publish();
    expect(first.map(({ outcome, sent }) => [outcome, sent])).toEqual([
      ['put', 300_000],
      ['put', 0],
    ]);
    expect(sentBytes()).toBeLessThan(310_000);
    for (const { repository, digest } of first) {
      const { file } = await copied(`${path}/${repository}`, digest);
      expect(file.length).toBe(300_000);
    }
    proxy.log.length = 0;
    expect((await publish()).map(({ outcome, sent }) => [outcome, sent])).toEqual([
      ['present', 0],
      ['present', 0],
    ]);
    expect(proxy.log.filter(({ method }) => !['GET', 'HEAD'].includes(method))).toEqual([]);
  });

  test('who may only read, as a pull request from a fork, publishes nothing and is told the right', async () => {
    const publish = await bundle(storeOf('reader'));
    await expect(publish()).rejects.toMatchObject({ name: 'Failure', fix: expect.stringContaining('may push') });
    const tags = await storeOf('writer').listTags('one');
    expect(tags).toEqual(['2']);
  });
});
