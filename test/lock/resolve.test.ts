import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BaseSource } from '../../src/config/config.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { emptyLock } from '../../src/lock/lock.ts';
import { movedBetween } from '../../src/lock/moved.ts';
import { relock, resolveMissing, type Needs } from '../../src/lock/resolve.ts';
import type { BaseSources } from '../../src/lock/resolve-base.ts';
import { hexOf } from '../../src/oci/digest.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import { silent } from '../../src/progress.ts';
import { putImage, putIndex, stored, writeLayout, type Blobs } from './images.ts';

let root: string;
let blobs: Blobs;
/** `registry/repository:tag` → what is there. */
let tags: Map<string, Descriptor>;
let asked: string[];
let layouts: Map<string, BaseSource>;
let sources: BaseSources;
let warnings: string[];
const now = new Date('2026-11-21T10:00:00Z');

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgbuild-bases-'));
  blobs = new Map();
  tags = new Map();
  asked = [];
  layouts = new Map();
  warnings = [];
  sources = {
    layouts,
    registry: ({ registry, repository }) => ({
      async getManifest(reference) {
        asked.push(`${repository} ${reference}`);
        if (registry === 'down.example') throw new Failure({ doing: 'asking', because: 'connection refused' });
        const found = reference.startsWith('sha256:')
          ? [...blobs.keys()].includes(reference) && ({ mediaType: '', digest: reference, size: 0 } as Descriptor)
          : tags.get(`${registry}/${repository}:${reference}`);
        return found ? stored(blobs, found) : undefined;
      },
      getBlob: async ({ digest }) => blobs.get(digest)!,
    }),
    daemon: { inspect: async () => undefined },
    progress: { ...silent, warn: (text) => warnings.push(text) },
  };
});
afterEach(() => rm(root, { recursive: true }));

const at = { file: 'docker/base/Dockerfile', line: 1, column: 6, length: 9, text: 'FROM debian:12' };
const base = (reference: string, platform = 'linux/amd64') => ({
  reference: formatReference(parseReference(reference)),
  platform: parsePlatform(platform),
  use: { at },
});
const needs = (...bases: Needs['bases']): Needs => ({ bases, syntaxes: [], epochs: [] });
const frozen = { frozen: true, now };
const thawed = { frozen: false, now };

function publish(name: string, config: Record<string, unknown> = {}): { index: Descriptor; amd64: Descriptor } {
  const amd64 = putImage(blobs, 'linux/amd64', config);
  const arm64 = putImage(blobs, 'linux/arm64', config);
  const index = putIndex(blobs, [amd64, arm64]);
  tags.set(name, index);
  return { index, amd64 };
}

describe('a base', () => {
  test('in a registry is locked per platform, with what its children inherit', async () => {
    const config = { Env: ['PATH=/bin'], WorkingDir: '/srv', OnBuild: ['COPY . /app'] };
    const { index, amd64 } = publish('docker.io/library/debian:12', config);
    const { lock, resolved } = await resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed);
    expect(lock.bases.get('docker.io/library/debian:12')).toEqual({
      reference: 'docker.io/library/debian:12',
      from: 'registry',
      index: index.digest,
      platforms: new Map([
        [
          'linux/amd64',
          {
            identity: { kind: 'manifest', digest: amd64.digest },
            env: ['PATH=/bin'],
            workdir: '/srv',
            onbuild: ['COPY . /app'],
          },
        ],
      ]),
    });
    expect(resolved).toEqual(['debian:12 (linux/amd64)']);
  });

  test('that is locked is asked of nobody', async () => {
    publish('docker.io/library/debian:12');
    const { lock } = await resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed);
    asked.length = 0;
    const again = await resolveMissing(lock, needs(base('debian:12')), sources, frozen);
    expect(again.lock).toEqual(lock);
    expect(asked).toEqual([]);
  });

  test('gets a further platform from the index that is locked, though the tag has moved', async () => {
    const first = publish('docker.io/library/debian:12');
    const { lock } = await resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed);
    publish('docker.io/library/debian:12', { Env: ['NEW=1'] });
    const both = needs(base('debian:12'), base('debian:12', 'linux/arm64'));
    const more = (await resolveMissing(lock, both, sources, thawed)).lock.bases.get('docker.io/library/debian:12')!;
    expect(more.index).toBe(first.index.digest);
    expect([...more.platforms.keys()]).toEqual(['linux/amd64', 'linux/arm64']);
    expect(more.platforms.get('linux/arm64')!.env).toEqual([]);
  });

  test('without the platform says which it has, at the FROM', async () => {
    publish('docker.io/library/debian:12');
    await expect(
      resolveMissing(emptyLock(), needs(base('debian:12', 'linux/riscv64')), sources, thawed),
    ).rejects.toMatchObject({
      because: 'it has no image for linux/riscv64',
      fix: 'it has linux/amd64, linux/arm64: build for these, or choose another base',
      at,
    });
  });

  test('that nobody has is an error that says where was looked', async () => {
    await expect(resolveMissing(emptyLock(), needs(base('nowhere:1')), sources, thawed)).rejects.toMatchObject({
      because: 'docker.io has no such image, and the local Docker has none',
      at,
    });
  });

  test('that only the local Docker has is locked to its ID, with a warning', async () => {
    const digest = `sha256:${'1'.repeat(64)}` as const;
    sources.daemon = {
      inspect: async () => ({
        platform: parsePlatform('linux/amd64'),
        locked: { identity: { kind: 'config', digest }, env: [], onbuild: [] },
      }),
    };
    const wanted = needs(base('down.example/mine:1'));
    const { lock } = await resolveMissing(emptyLock(), wanted, sources, thawed);
    const line = lock.bases.get('down.example/mine:1')!;
    expect([line.from, line.index, line.platforms.get('linux/amd64')!.identity.digest]).toEqual([
      'daemon',
      null,
      digest,
    ]);
    expect(warnings).toEqual([
      'down.example/mine:1 is in the local Docker only (connection refused): --frozen refuses such a base',
    ]);
    await expect(resolveMissing(lock, wanted, sources, frozen)).rejects.toThrow(/only one machine's Docker has/);
    await expect(
      resolveMissing(emptyLock(), needs(base('mine:1', 'linux/arm64')), sources, thawed),
    ).rejects.toMatchObject({ because: 'the local Docker has it for linux/amd64, not for linux/arm64' });
  });

  test('in an OCI layout is read from its folder and from nowhere else', async () => {
    const amd64 = putImage(blobs, 'linux/amd64', { Env: ['A=1'] });
    await writeLayout(join(root, 'debian'), blobs, [amd64]);
    layouts.set('docker.io/library/debian:12', { kind: 'oci', path: join(root, 'debian'), text: 'oci:./debian' });
    const { lock } = await resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed);
    const line = lock.bases.get('docker.io/library/debian:12')!;
    expect(line).toMatchObject({ from: 'oci:./debian', index: null });
    expect(line.platforms.get('linux/amd64')).toMatchObject({
      identity: { kind: 'manifest', digest: amd64.digest },
      env: ['A=1'],
    });
    expect(asked).toEqual([]);
    // Named elsewhere afterwards: what is locked counts no more.
    layouts.clear();
    await expect(resolveMissing(lock, needs(base('debian:12')), sources, frozen)).rejects.toBeInstanceOf(Failures);
    publish('docker.io/library/debian:12');
    const again = await resolveMissing(lock, needs(base('debian:12')), sources, thawed);
    expect(again.lock.bases.get('docker.io/library/debian:12')!.from).toBe('registry');
  });

  test('in an OCI layout with an index, by its name, for two platforms', async () => {
    const index = putIndex(blobs, [putImage(blobs, 'linux/amd64'), putImage(blobs, 'linux/arm64')]);
    const named = { ...index, annotations: { 'org.opencontainers.image.ref.name': 'bookworm' } };
    await writeLayout(join(root, 'debian'), blobs, [named, putImage(blobs, 'linux/arm/v7')]);
    const path = join(root, 'debian');
    layouts.set('docker.io/library/debian:12', {
      kind: 'oci',
      path,
      reference: 'bookworm',
      text: 'oci:./debian:bookworm',
    });
    const both = needs(base('debian:12'), base('debian:12', 'linux/arm64'));
    const line = (await resolveMissing(emptyLock(), both, sources, thawed)).lock.bases.get(
      'docker.io/library/debian:12',
    )!;
    expect(line.index).toBe(index.digest);
    expect(line.platforms.size).toBe(2);
    layouts.set('docker.io/library/debian:12', { kind: 'oci', path, text: 'oci:./debian' });
    await expect(resolveMissing(emptyLock(), both, sources, thawed)).rejects.toMatchObject({
      because: 'it has several images',
      fix: expect.stringContaining('bookworm'),
    });
  });

  test('in an OCI layout that is damaged or is none says so', async () => {
    const amd64 = putImage(blobs, 'linux/amd64');
    await writeLayout(join(root, 'debian'), blobs, [amd64]);
    const path = join(root, 'debian');
    layouts.set('docker.io/library/debian:12', { kind: 'oci', path, text: 'oci:./debian' });
    await writeFile(join(path, 'blobs/sha256', hexOf(amd64.digest)), '{}');
    await expect(resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed)).rejects.toThrow(/is damaged/);
    await rm(join(path, 'index.json'));
    await expect(resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed)).rejects.toThrow(
      /is no OCI image layout/,
    );
    await rm(path, { recursive: true });
    await expect(resolveMissing(emptyLock(), needs(base('debian:12')), sources, thawed)).rejects.toThrow(
      /is not there/,
    );
  });

  test('that nearly has the name of a layer is told as a slip', async () => {
    publish('docker.io/library/my_engin:1');
    publish('docker.io/library/debian:12');
    const warned: string[] = [];
    const told = {
      ...sources,
      ownImages: [
        { layer: 'engine', reference: 'my_engine:2' },
        { layer: 'base', reference: 'debian' },
      ],
      progress: { ...silent, warn: (text: string) => void warned.push(text) },
    };
    await resolveMissing(emptyLock(), needs(base('my_engin:1'), base('debian:12')), told, thawed);
    expect(warned).toEqual([expect.stringContaining('my_engin:1 is no image of a layer (did you mean my_engine?)')]);
  });

  test('with a digest needs no line under --frozen, and is read by that digest', async () => {
    const { index } = publish('docker.io/library/debian:12');
    const { lock } = await resolveMissing(emptyLock(), needs(base(`debian@${index.digest}`)), sources, frozen);
    expect(lock.bases.size).toBe(1);
    expect(asked[0]).toBe(`library/debian ${index.digest}`);
  });
});

test('--frozen names every line that is missing, at once, with the command to run', async () => {
  const error = await resolveMissing(
    emptyLock(),
    {
      bases: [base('a:1'), base('b:1'), base('a:1', 'linux/arm64')],
      syntaxes: [{ reference: 'docker/dockerfile:1' }],
      epochs: [{ layer: 'service', refresh: 'monthly' }],
    },
    sources,
    frozen,
  ).catch((thrown: unknown) => thrown);
  const failures = (error as Failures).failures;
  expect(failures.map(({ because }) => because)).toEqual([
    'imgbuild.lock has no linux/amd64, linux/arm64 of a:1',
    'imgbuild.lock has no linux/amd64 of b:1',
    'imgbuild.lock has no line for # syntax=docker/dockerfile:1',
    'imgbuild.lock has no monthly epoch for layer service',
  ]);
  expect(new Set(failures.map(({ fix }) => fix))).toEqual(new Set(['run `imgbuild lock` and commit imgbuild.lock']));
  expect(asked).toEqual([]);
});

describe('lock', () => {
  const epochs = [{ layer: 'service', refresh: 'monthly' as const }];

  test('moves bases, forgets what is not needed, and says what moved', async () => {
    const old = publish('docker.io/library/debian:12');
    publish('docker.io/library/gone:1');
    const before = await relock(emptyLock(), needs(base('debian:12'), base('gone:1')), sources, { due: false, now });
    const young = publish('docker.io/library/debian:12', { Env: ['NEW=1'] });
    const after = await relock(before, needs(base('debian:12')), sources, { due: false, now });
    const moved = movedBetween(before, after);
    expect(moved).toEqual([
      { kind: 'base', name: 'debian:12', platform: 'linux/amd64', from: old.amd64.digest, to: young.amd64.digest },
      { kind: 'base', name: 'gone:1', platform: 'linux/amd64', from: old.amd64.digest, to: null },
    ]);
    expect(movedBetween(after, after)).toEqual([]);
  });

  test('keeps epochs, and moves those that are due when asked', async () => {
    const first = await relock(emptyLock(), { ...needs(), epochs }, sources, { due: false, now });
    expect(first.epochs).toEqual(new Map([['service', '2026-11']]));
    const later = new Date('2026-12-02T00:00:00Z');
    const kept = await relock(first, { ...needs(), epochs }, sources, { due: false, now: later });
    expect(kept.epochs.get('service')).toBe('2026-11');
    const moved = await relock(first, { ...needs(), epochs }, sources, { due: true, now: later });
    expect(movedBetween(first, moved)).toEqual([{ kind: 'epoch', name: 'service', from: '2026-11', to: '2026-12' }]);
    const weekly = { ...needs(), epochs: [{ layer: 'service', refresh: 'weekly' as const }] };
    expect((await relock(first, weekly, sources, { due: false, now: later })).epochs.get('service')).toBe('2026-W49');
  });

  test('locks syntax lines', async () => {
    const { index } = publish('docker.io/docker/dockerfile:1');
    const wanted = { ...needs(), syntaxes: [{ reference: 'docker/dockerfile:1', at }] };
    expect((await relock(emptyLock(), wanted, sources, { due: false, now })).syntaxes).toEqual(
      new Map([['docker/dockerfile:1', index.digest]]),
    );
    const missing = { ...needs(), syntaxes: [{ reference: 'docker/dockerfile:9', at }] };
    await expect(relock(emptyLock(), missing, sources, { due: false, now })).rejects.toMatchObject({ at });
  });
});
