import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { ImageIndex } from '../../src/oci/manifest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { listReferrers, putReferrer, referrersTag } from '../../src/registry/referrers.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { putImage, stored, type TestImage } from '../store/content.ts';

let registry: MemoryRegistry;
let client: RegistryClient;
let image: TestImage;
beforeEach(async () => {
  registry = await startMemoryRegistry();
  const retry = { attempts: 2, first: 5, longest: 20, patience: 100 };
  client = new RegistryClient(registry.host, { retry, credentials: async () => undefined });
  image = await putImage(new RegistryStore(registry.host, '', {}, client), 'app', 'v1', ['one']);
  registry.log.length = 0;
});
afterEach(() => registry.close());

const subject = () => image.descriptor.digest;
const tagged = () => {
  const found = registry.manifests.get(`app:${referrersTag(subject())}`);
  return found && (JSON.parse(found.bytes.toString()) as ImageIndex);
};
/** An artifact beside the image; its blob is one of the image's own. */
const artifact = (name: string) =>
  stored({
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: 'application/vnd.example',
    config: image.config,
    layers: image.layers,
    subject: { mediaType: image.descriptor.mediaType, digest: subject(), size: image.descriptor.size },
    annotations: { name },
  });
const written = () => registry.log.filter(({ method }) => !['GET', 'HEAD'].includes(method)).map(({ path }) => path);
const listed = async () => (await listReferrers(client, 'app', subject())).map(({ digest }) => digest);

describe('a registry that lists referrers', () => {
  beforeEach(() => (registry.referrers = true));

  test('needs no tag, and is sent nothing twice', async () => {
    const one = artifact('one');
    expect(await listed()).toEqual([]);
    expect(await putReferrer(client, 'app', one)).toBe('put');
    expect(written()).toEqual([`/v2/app/manifests/${one.descriptor.digest}`]);
    expect(await listed()).toEqual([one.descriptor.digest]);
    registry.log.length = 0;
    expect(await putReferrer(client, 'app', one)).toBe('present');
    expect(written()).toEqual([]);
    expect(tagged()).toBeUndefined();
  });

  test('is read to the last of its pages', async () => {
    registry.pageSize = 2;
    const all = ['a', 'b', 'c', 'd', 'e'].map(artifact);
    for (const each of all) await putReferrer(client, 'app', each);
    expect((await listed()).toSorted()).toEqual(all.map(({ descriptor }) => descriptor.digest).toSorted());
  });
});

describe('a registry that does not', () => {
  test('gets the list under the tag of the specification, with what readers choose by', async () => {
    const [one, two] = [artifact('one'), artifact('two')];
    for (const each of [one, two]) expect(await putReferrer(client, 'app', each)).toBe('put');
    const entry = ({ descriptor }: typeof one, name: string) => ({
      ...descriptor,
      artifactType: 'application/vnd.example',
      annotations: { name },
    });
    expect(tagged()).toEqual({
      schemaVersion: 2,
      mediaType: mediaType.index,
      manifests: [entry(one, 'one'), entry(two, 'two')],
    });
    expect(await listed()).toEqual([one.descriptor.digest, two.descriptor.digest]);
    registry.log.length = 0;
    expect(await putReferrer(client, 'app', one)).toBe('present');
    expect(written()).toEqual([]);
  });

  test.each([400, 405, 501])('and answers %i is asked for the tag', async (status) => {
    registry.fault = ({ path }) => (path.includes('/referrers/') ? { status } : undefined);
    const one = artifact('one');
    await putReferrer(client, 'app', one);
    expect(await listed()).toEqual([one.descriptor.digest]);
  });

  test('and answers with a page for people is asked for the tag', async () => {
    registry.fault = ({ path }) =>
      path.includes('/referrers/') ? { status: 200, headers: { 'content-type': 'text/html' }, body: '<p>' } : undefined;
    await putReferrer(client, 'app', artifact('one'));
    expect(tagged()!.manifests).toHaveLength(1);
  });

  test('keeps both entries where another writer overwrites the list', async () => {
    const [one, other] = [artifact('one'), artifact('other')];
    await putReferrer(client, 'app', other);
    const before = registry.manifests.get(`app:${referrersTag(subject())}`)!;
    let puts = 0;
    // What another writer puts who has read the list before ours was in it; seen when ours is read back.
    registry.fault = ({ method, path }) => {
      if (!path.endsWith(referrersTag(subject()))) return undefined;
      if (method === 'PUT') puts += 1;
      else if (puts === 1) registry.manifests.set(`app:${referrersTag(subject())}`, before);
      return undefined;
    };
    await putReferrer(client, 'app', one);
    expect(puts).toBe(2);
    expect(await listed()).toEqual([other.descriptor.digest, one.descriptor.digest]);
  });

  test('in which the list never stays as it was put is given up', async () => {
    const tag = `app:${referrersTag(subject())}`;
    registry.fault = ({ method, path }) => {
      if (method === 'GET' && path.endsWith(referrersTag(subject()))) registry.manifests.delete(tag);
      return undefined;
    };
    await expect(putReferrer(client, 'app', artifact('one'))).rejects.toThrow('others write the same list');
  });

  test('in which the tag stands on an image is left as it is', async () => {
    const tag = `app:${referrersTag(subject())}`;
    registry.manifests.set(tag, registry.manifests.get('app:v1')!);
    const error = await putReferrer(client, 'app', artifact('one')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).because).toContain('something else than a list');
    expect(written()).toEqual([]);
  });

  test('in trouble is not taken for one without a list', async () => {
    registry.fault = ({ path }) => (path.includes('/referrers/') ? { status: 503 } : undefined);
    await expect(putReferrer(client, 'app', artifact('one'))).rejects.toThrow('503');
    expect(written()).toEqual([]);
  });
});

test('a manifest without a subject is no referrer', async () => {
  await expect(putReferrer(client, 'app', image)).rejects.toThrow(RangeError);
});

test('the tag is that of the specification', () => {
  const digest: Digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  expect(referrersTag(digest)).toBe(`sha256-${'0123456789abcdef'.repeat(4)}`);
});
