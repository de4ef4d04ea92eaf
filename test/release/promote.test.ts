import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { Failure } from '../../src/failure.ts';
import { silent } from '../../src/progress.ts';
import { channelSchemaJson, parseChannel, type ChannelDelta } from '../../src/release/channel-json.ts';
import { readChannel } from '../../src/release/channel-store.ts';
import { waysTo } from '../../src/release/channel-ways.ts';
import { promote, type PromoteRequest } from '../../src/release/promote.ts';
import { makeRelease } from '../../src/release/release.ts';
import { listReleases, yankRelease } from '../../src/release/release-store.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey, verifyDetached } from '../../src/signing/openpgp.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { TestProject } from './setup.ts';

let folder: string;
let store: LayoutStore;
let project: TestProject;
const { privateKey, publicKey } = await generateSigningKey('Releases <releases@example.com>');
const signKey = await readSigningKey(Buffer.from(privateKey), 'the key');
const url = 'https://example.com/v{version}/{file}';

beforeAll(() => installPackages(['gpg', 'gpgv'], () => {}));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-promote-'));
  store = new LayoutStore(join(folder, 'store'), 'oci:store');
  project = new TestProject(store);
});
afterEach(() => rm(folder, { recursive: true }));

const deltaOf = (from: string, to: string, size = 100): ChannelDelta => ({
  from,
  to,
  platform: 'linux/amd64',
  file: `ccai_${from}_${to}_linux-amd64.ota.tar`,
  size,
  sha256: createHash('sha256').update(`${from} ${to}`).digest('hex'),
});
/** A release with a delta from each of these. */
const release = (version: string, ...from: string[]) => {
  const deltas = async () => from.map((old) => deltaOf(old, version));
  return makeRelease(project.request(version, { steps: project.steps({ deltas }) }));
};
const move = (version: string | undefined, over: Partial<PromoteRequest> = {}) =>
  promote({
    store,
    packages: true,
    channel: 'stable',
    version,
    urls: [],
    deltas: [],
    validDays: 90,
    signKey,
    now: new Date('2026-11-21T12:00:00.5Z'),
    directory: join(folder, 'site'),
    progress: silent,
    ...over,
  });
const failure = async (promise: Promise<unknown>) => {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
};

describe('a channel', () => {
  test('is moved without a build: a signed ota.json names the release and every delta on a way there', async () => {
    await release('1.0.0');
    await release('1.1.0', '1.0.0');
    await release('1.2.0', '1.1.0', '1.0.0');
    await release('1.3.0', '1.2.0');
    project.built.length = 0;
    const { channel, file, before, ways } = await move('1.2.0', { urls: [url] });
    expect(project.built).toEqual([]);
    expect(before).toBeNull();
    expect(channel).toMatchObject({
      name: 'ccai',
      channel: 'stable',
      version: '1.2.0',
      sequence: 1,
      issued: '2026-11-21T12:00:00Z',
      expires: '2027-02-19T12:00:00Z',
      urls: [url],
      packages: [{ name: 'ccai', version: '1.2.0', architecture: 'amd64' }],
    });
    expect(channel.deltas.map(({ from, to }) => `${from} ${to}`).toSorted()).toEqual([
      '1.0.0 1.1.0',
      '1.0.0 1.2.0',
      '1.1.0 1.2.0',
    ]);
    expect(channel.images).toMatchObject([{ image: 'runtime:edge', platform: 'linux/amd64', reference: null }]);
    expect(ways.map(({ from, deltas }) => [from, deltas.length])).toEqual([
      ['1.1.0', 1],
      ['1.0.0', 1],
    ]);
    expect(parseChannel(await readFile(file))).toEqual(channel);
    expect((await readChannel(store, 'stable'))!.channel).toEqual(channel);
    expect((await listReleases(store)).map((each) => each.version)).toEqual(['1.0.0', '1.1.0', '1.2.0', '1.3.0']);
  });

  test('is signed so that gpgv takes it', async () => {
    await release('1.0.0');
    const { file, signedBy } = await move('1.0.0', { urls: [url] });
    const names = { document: 'ota.json', keyring: 'the keyring' };
    const [document, signature] = [await readFile(file), await readFile(`${file}.asc`)];
    const verified = await verifyDetached(document, signature, Buffer.from(publicKey), names);
    expect(verified.fingerprint).toBe(signedBy);
    const ring = join(folder, 'ring.gpg');
    await writeFile(ring, execFileSync('gpg', ['--dearmor'], { input: publicKey }));
    execFileSync('gpgv', ['--keyring', ring, `${file}.asc`, file], { stdio: 'pipe' });
    await writeFile(file, document.toString().replace('1.0.0', '1.0.1'));
    expect(() => execFileSync('gpgv', ['--keyring', ring, `${file}.asc`, file], { stdio: 'pipe' })).toThrow();
  });

  test('is signed anew where it stands, with the next number and the URLs that it had', async () => {
    await release('1.0.0');
    await move('1.0.0', { urls: [url] });
    const again = await move(undefined, { now: new Date('2027-01-01T00:00:00Z'), validDays: 7 });
    expect(again.before).toBe('1.0.0');
    expect(again.channel).toMatchObject({
      version: '1.0.0',
      sequence: 2,
      urls: [url],
      expires: '2027-01-08T00:00:00Z',
    });
    expect((await move('1.0.0', { channel: 'beta', urls: [url] })).channel.sequence).toBe(1);
  });

  test('leads through no yanked release, but away from one', async () => {
    await release('1.0.0');
    await release('1.1.0', '1.0.0');
    await release('1.2.0', '1.1.0');
    await yankRelease(store, '1.1.0');
    const { ways } = await move('1.2.0', { urls: [url] });
    expect(ways.map(({ from }) => from)).toEqual(['1.1.0']);
    expect(await failure(move('1.1.0', { urls: [url] }))).toMatchObject({ because: '1.1.0 is yanked' });
  });

  test('lists deltas that were made after their release, and keeps them', async () => {
    await release('1.0.0');
    await release('1.1.0');
    await release('1.2.0', '1.1.0');
    const [later, elsewhere] = [deltaOf('1.0.0', '1.2.0', 40), deltaOf('1.0.0', '9.0.0')];
    const { ways } = await move('1.2.0', { urls: [url], deltas: [later, elsewhere] });
    expect(ways.map(({ from, deltas }) => [from, ...deltas])).toEqual([
      ['1.0.0', later],
      ['1.1.0', deltaOf('1.1.0', '1.2.0')],
    ]);
    expect((await move(undefined)).channel.deltas).toHaveLength(2);
    await release('1.3.0', '1.2.0');
    expect((await move('1.3.0')).ways.map(({ from, deltas }) => [from, deltas.length])).toEqual([
      ['1.2.0', 1],
      ['1.0.0', 2],
      ['1.1.0', 2],
    ]);
  });

  test('warns where it goes back: devices do not', async () => {
    await release('1.0.0');
    await release('1.1.0');
    await move('1.1.0', { urls: [url] });
    const warnings: string[] = [];
    await move('1.0.0', { progress: { ...silent, warn: (text) => void warnings.push(text) } });
    expect(warnings).toEqual([expect.stringContaining('devices that run 1.1.0 stay on it')]);
  });

  test('is not moved by two at once', async () => {
    await release('1.0.0');
    await release('1.1.0');
    await move('1.0.0', { urls: [url] });
    const slow: PromoteRequest['signKey'] = {
      ...signKey,
      async signDetached(bytes) {
        await move('1.0.0');
        return signKey.signDetached(bytes);
      },
    };
    expect((await failure(move('1.1.0', { signKey: slow }))).because).toBe('somebody else moved it meanwhile');
    expect((await readChannel(store, 'stable'))!.channel).toMatchObject({ version: '1.0.0', sequence: 2 });
  });

  test('is not moved where the folder to serve cannot be written', async () => {
    await release('1.0.0');
    await writeFile(join(folder, 'afile'), '');
    await expect(move('1.0.0', { urls: [url], directory: join(folder, 'afile/site') })).rejects.toMatchObject({
      name: 'Failure',
      because: 'a file is in the way',
    });
    expect(await readChannel(store, 'stable')).toBeUndefined();
  });

  test('refuses names, versions and URLs that are none', async () => {
    await release('1.0.0');
    expect((await failure(move('1.0.0', { channel: 'Stable/..' }))).kind).toBe('input');
    expect((await failure(move(undefined))).because).toContain('stands on no release yet');
    expect((await failure(move('9.0.0', { urls: [url] }))).fix).toContain('1.0.0');
    expect((await failure(move('1.0.0'))).because).toContain('where devices find the deltas is not known');
    for (const wrong of [
      'https://example.com/',
      'file:///{file}',
      'example.com/{file}',
      'https://example.com/{tag}/{file}',
      'https://me:secret@example.com/{file}',
    ]) {
      const error = await failure(move('1.0.0', { urls: [wrong] }));
      expect(error.kind).toBe('input');
    }
    expect(await readChannel(store, 'stable')).toBeUndefined();
  });

  test('that is damaged in the store is said to be so', async () => {
    await release('1.0.0');
    const manifest = (await store.getManifest('releases', '1.0.0'))!;
    await store.putManifest('releases', 'channel-stable', manifest);
    expect((await failure(move('1.0.0', { urls: [url] }))).because).toContain('holds no ota.json');
  });
});

describe('the ways to a release', () => {
  test('are those with the fewest bytes', () => {
    const deltas = [deltaOf('1', '3', 100), deltaOf('1', '2', 30), deltaOf('2', '3', 40), deltaOf('3', '1', 1)];
    expect(waysTo('3', deltas).map(({ from, size, deltas: steps }) => [from, size, steps.length])).toEqual([
      ['2', 40, 1],
      ['1', 70, 2],
    ]);
  });

  test('are as cheap as trying all of them finds', () => {
    const version = fc.integer({ min: 0, max: 5 }).map(String);
    const edge = fc.tuple(version, version, fc.integer({ min: 0, max: 100 }));
    const cheapest = (from: string, deltas: readonly ChannelDelta[], seen: string[]): number =>
      from === '0'
        ? 0
        : Math.min(
            Infinity,
            ...deltas
              .filter((delta) => delta.from === from && !seen.includes(delta.to))
              .map((delta) => delta.size + cheapest(delta.to, deltas, [...seen, delta.to])),
          );
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 12 }), (edges) => {
        const deltas = edges.map(([from, to, size]) => deltaOf(from, to, size));
        const ways = waysTo('0', deltas);
        for (const from of ['1', '2', '3', '4', '5']) {
          const way = ways.find((each) => each.from === from);
          expect(way?.size ?? Infinity).toBe(cheapest(from, deltas, [from]));
          if (way) expect(way.deltas.map(({ to }) => to).at(-1)).toBe('0');
        }
      }),
    );
  });
});

test('the published JSON schema is generated from the definition', async () => {
  const file = new URL('../../docs/schema/ota.schema.json', import.meta.url);
  expect(await readFile(file, 'utf8'), 'run: npm run generate').toBe(channelSchemaJson());
});
