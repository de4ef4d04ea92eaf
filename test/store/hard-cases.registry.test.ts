import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Failure } from '../../src/failure.ts';
import type { CredentialSource } from '../../src/registry/credentials.ts';
import { layerTag } from '../../src/store/layer-tags.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { removeFromRegistry } from '../../src/store/remove.ts';
import { findSaved, saveLayer } from '../../src/store/saved-layer.ts';
import { startGhcrProxy, type GhcrProxy } from '../support/ghcr-proxy.ts';
import { blobOf, putImage } from './content.ts';
import { runKillSoak } from './kill-soak.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';

const execute = promisify(execFile);
const { plain, secured } = inject('registries');
const platform = { os: 'linux', architecture: 'amd64' };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-hard-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function save(store: LayerStore, fingerprint: string, contents: string[]) {
  const image = await putImage(store, 'service', undefined, contents);
  const layer = { layer: 'service', platform, fingerprint, image, parents: {}, inputs: [] };
  return { image, saved: await saveLayer(store, 'service', layer) };
}
const fresh = () => randomBytes(32).toString('hex');
const own = () => `acme/${randomBytes(6).toString('hex')}`;

it('store half-written: killed at 20 random points, nothing is lost and nothing wrong is found', async () => {
  const { acknowledged } = await runKillSoak({ folder, seed: 1, count: 20 });
  expect(acknowledged).toBeGreaterThan(0);
});

it('disk full during save: the message tells what to do, what was saved stays, and there is room afterwards', async () => {
  const disk = join(folder, 'disk');
  await mkdir(disk);
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
  try {
    const store = new LayoutStore(join(disk, 'store'));
    const [good, large] = [fresh(), fresh()];
    await save(store, good, ['small']);
    const error = (await save(store, large, ['x'.repeat(4_000_000)]).catch((caught: unknown) => caught)) as Failure;
    expect(error.because).toBe('the disk is full');
    expect(error.fix).toContain('imgbuild store gc');
    expect(await findSaved(store, 'service', large)).toEqual({ kind: 'missing' });
    expect(await findSaved(store, 'service', good)).toMatchObject({ kind: 'saved' });
    expect(await readdir(join(store.path, '.ingest'))).toEqual([]);
    await save(store, large, ['y'.repeat(100_000)]);
    expect(await findSaved(store, 'service', large)).toMatchObject({ kind: 'saved' });
  } finally {
    await execute('umount', [disk]);
  }
});

describe('a registry whose data are damaged', () => {
  const path = own();
  const store = new RegistryStore(plain.host, path);
  const blobFile = (digest: string) =>
    join(plain.data, 'docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data');

  it('blob truncated or flipped: never read as whole', async () => {
    const fingerprint = fresh();
    const { image } = await save(store, fingerprint, ['some content to damage']);
    const blob = image.layers[0]!;
    const read = async () => (await store.openBlob('service', blob)).toArray();
    const bytes = await readFile(blobFile(blob.digest));
    await writeFile(blobFile(blob.digest), bytes.subarray(0, 5));
    await expect(read()).rejects.toThrow();
    bytes[3]! ^= 1;
    await writeFile(blobFile(blob.digest), bytes);
    await expect(read()).rejects.toThrow(/not of sha256/);
  });

  it('tag pointing at garbage: no reuse, and a new save mends it', async () => {
    const fingerprint = fresh();
    const { image } = await save(store, fingerprint, ['one']);
    const link = join(
      plain.data,
      'docker/registry/v2/repositories',
      path,
      'service/_manifests/tags',
      layerTag(fingerprint),
      'current/link',
    );
    expect(await readFile(link, 'utf8')).toBe(image.descriptor.digest);
    await writeFile(link, `sha256:${'0'.repeat(64)}`);
    const found = await findSaved(store, 'service', fingerprint);
    expect(found.kind).not.toBe('saved');
    await save(store, fingerprint, ['one']);
    expect(await findSaved(store, 'service', fingerprint)).toMatchObject({
      kind: 'saved',
      digest: image.descriptor.digest,
    });
  });

  it('a manifest whose bytes are others: broken', async () => {
    const fingerprint = fresh();
    const { image } = await save(store, fingerprint, ['three']);
    const changed = Buffer.from(image.bytes);
    changed[changed.length - 20]! ^= 1;
    await writeFile(blobFile(image.descriptor.digest), changed);
    const found = await findSaved(store, 'service', fingerprint).catch((error: unknown) => error);
    expect(found).not.toMatchObject({ kind: 'saved' });
  });
});

describe('two writers at once in a registry', () => {
  it('both end with the image that won', async () => {
    for (let round = 0; round < 5; round++) {
      const path = own();
      const [first, second] = [new RegistryStore(plain.host, path), new RegistryStore(plain.host, path)];
      const fingerprint = fresh();
      await Promise.all([save(first, fingerprint, ['one']), save(second, fingerprint, ['two'])]);
      expect(await findSaved(first, 'service', fingerprint)).toMatchObject({ kind: 'saved' });
    }
  });
});

describe('store gc on a registry', () => {
  it('deletes manifests by digest, and spares one that somebody has named meanwhile', async () => {
    const store = new RegistryStore(plain.host, own());
    const [garbage, named] = [fresh(), fresh()];
    const first = (await save(store, garbage, ['garbage'])).image;
    const second = (await save(store, named, ['named'])).image;
    const removals = [
      { repository: 'service', digest: first.descriptor.digest, tags: [layerTag(garbage)], kind: 'layer' as const },
      { repository: 'service', digest: second.descriptor.digest, tags: [layerTag(named)], kind: 'layer' as const },
    ];
    await store.putManifest('service', '1.0.0', second);
    const result = await removeFromRegistry(store, removals);
    expect(result.removed).toEqual([removals[0]]);
    expect(result.kept[0]!.why).toContain('1.0.0');
    expect(await findSaved(store, 'service', garbage)).toEqual({ kind: 'missing' });
    expect(await findSaved(store, 'service', named)).toMatchObject({ kind: 'saved' });
  });
});

describe("GHCR's ways", () => {
  let proxy: GhcrProxy;
  beforeEach(async () => {
    proxy = await startGhcrProxy(plain.host);
  });
  afterEach(() => proxy.close());
  const login =
    (who: 'writer' | 'reader' | 'stranger'): CredentialSource =>
    async () =>
      who === 'stranger' ? undefined : { kind: 'password', ...proxy[who] };
  const open = (path: string, who: 'writer' | 'reader' | 'stranger') =>
    new RegistryStore(proxy.host, path, {
      credentials: login(who),
      retry: { attempts: 2, first: 5, longest: 5, patience: 0 },
    });

  it('a first push finds nothing and makes the package', async () => {
    const store = open(own(), 'writer');
    const fingerprint = fresh();
    expect(await findSaved(store, 'service', fingerprint)).toEqual({ kind: 'missing' });
    expect(await store.listTags('service')).toEqual([]);
    await save(store, fingerprint, ['one']);
    expect(await findSaved(store, 'service', fingerprint)).toMatchObject({ kind: 'saved' });
    expect(await store.listRepositories()).toBeUndefined();
  });

  it('a private package is refused to strangers, with the right that is needed; never missing', async () => {
    const path = own();
    const fingerprint = fresh();
    await save(open(path, 'writer'), fingerprint, ['one']);
    proxy.private.add(`${path}/service`);
    const error = (await findSaved(open(path, 'stranger'), 'service', fingerprint).catch(
      (caught: unknown) => caught,
    )) as Failure;
    expect(error.message).toMatch(/403 DENIED/);
    expect(error.fix).toContain('docker login');
  });

  it('the token of a fork reads, is refused when it writes, and an overlay takes its builds', async () => {
    const path = own();
    const [parent, child] = [fresh(), fresh()];
    await save(open(path, 'writer'), parent, ['base']);
    const lower = open(path, 'reader');
    expect(await findSaved(lower, 'service', parent)).toMatchObject({ kind: 'saved' });
    const error = (await save(lower, child, ['base', 'mine']).catch((caught: unknown) => caught)) as Failure;
    expect(error.message).toContain('permission_denied: write_package');

    const overlay = new OverlayStore(new LayoutStore(join(folder, 'overlay')), lower);
    proxy.log.length = 0;
    await save(overlay, child, ['base', 'mine']);
    expect(await findSaved(overlay, 'service', child)).toMatchObject({ kind: 'saved' });
    expect(await findSaved(overlay, 'service', parent)).toMatchObject({ kind: 'saved' });
    expect(await findSaved(lower, 'service', child)).toEqual({ kind: 'missing' });
    // The parent's filesystem layer stays where it is.
    expect(await overlay.upper.hasBlob('service', blobOf('base').digest)).toBe(false);
    expect(proxy.log.filter(({ method }) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
  });

  it('a package of another repository: the message says to link it', async () => {
    const path = own();
    proxy.unlinked.add(`${path}/service`);
    const error = (await save(open(path, 'writer'), fresh(), ['one']).catch((caught: unknown) => caught)) as Failure;
    expect(error.message).toContain('write_package');
  });

  it('an unchanged layer is found without a byte of a filesystem layer', async () => {
    const path = own();
    const fingerprint = fresh();
    const { image } = await save(open(path, 'writer'), fingerprint, ['large'.repeat(100_000)]);
    proxy.log.length = 0;
    const store = open(path, 'writer');
    const found = await findSaved(store, 'service', fingerprint);
    await store.putManifest('service', '1.2.0', image);
    expect(found.kind).toBe('saved');
    expect(proxy.log.filter(({ path: requested }) => requested.includes('/blobs/'))).toEqual([]);
    expect(proxy.log.reduce((sum, { sent, received }) => sum + sent + received, 0)).toBeLessThan(64 * 1024);
  });
});

describe('a registry behind an authority of its own', () => {
  const script = `
    import { RegistryClient } from ${JSON.stringify(join(import.meta.dirname, '../../src/registry/client.ts'))};
    const credentials = async () => ({ kind: 'password', user: process.argv[2], password: process.argv[3] });
    const client = new RegistryClient(process.argv[1], { credentials });
    try { console.log(JSON.stringify({ tags: await client.listTags('nothing') })); }
    catch (error) { console.log(JSON.stringify({ because: error.because, fix: error.fix })); }
  `;
  const ask = async (env: NodeJS.ProcessEnv) => {
    const args = ['--input-type=module', '-e', script, secured.host, secured.user, secured.password];
    const { stdout } = await execute(process.execPath, args, { env: { ...process.env, ...env } });
    return JSON.parse(stdout) as { tags?: string[]; because?: string; fix?: string };
  };

  it('is reached with NODE_EXTRA_CA_CERTS', async () => {
    expect(await ask({ NODE_EXTRA_CA_CERTS: secured.ca })).toEqual({ tags: [] });
  });

  it('is refused without, and the message names the way', async () => {
    const { NODE_EXTRA_CA_CERTS: _unset, ...env } = process.env;
    const answer = await ask({ ...env, NODE_EXTRA_CA_CERTS: '' });
    expect(answer.because).toMatch(/certificate/);
    expect(answer.fix).toContain('NODE_EXTRA_CA_CERTS');
  });
});
