import { Command } from 'commander';
import { mkdir, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { addStore } from '../../src/cli/store.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { silent } from '../../src/progress.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { findSaved, saveLayer } from '../../src/store/saved-layer.ts';
import { makeSmallProject, releaseSaved } from '../release/saved-project.ts';
import { putImage } from './content.ts';

let folder: string;
let store: LayoutStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-store-cli-'));
  await mkdir(join(folder, 'app'));
  await writeFile(join(folder, 'app/Dockerfile'), 'FROM scratch\n');
  await writeFile(
    join(folder, 'imgbuild.yaml'),
    'version: 1\nname: demo\nlayers:\n  app: { context: app, image: app }\n',
  );
  store = new LayoutStore(join(folder, '.imgbuild/store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const fingerprint = (name: string) => hexOf(digestOf(name));
async function save(name: string, days: number) {
  const image = await putImage(store, 'app', undefined, ['shared', name]);
  const savedAt = new Date(Date.now() - days * 86_400_000);
  const platform = { os: 'linux', architecture: 'amd64' };
  await saveLayer(store, 'app', {
    layer: 'app',
    platform,
    fingerprint: fingerprint(name),
    image,
    parents: {},
    inputs: [],
    savedAt,
  });
  return image;
}

async function imgbuild(
  ...args: string[]
): Promise<{ out: string; error: { message: string; fix?: string } | undefined }> {
  const program = new Command().exitOverride();
  const stdout = new PassThrough();
  const context: CommandContext = {
    directory: folder,
    file: undefined,
    json: args.includes('--json'),
    stdout,
    stderr: new PassThrough(),
    progress: silent,
    signal: new AbortController().signal,
  };
  addStore(program, () => context);
  const error = await program.parseAsync(['store', ...args], { from: 'user' }).then(
    () => undefined,
    (caught: Error) => caught,
  );
  stdout.end();
  return { out: await text(stdout), error };
}

describe('imgbuild store', () => {
  it('ls: size, age and what needs each saved layer', async () => {
    expect((await imgbuild('ls')).out).toBe('nothing is saved in oci:.imgbuild/store\n');
    const image = await save('one', 3);
    await save('two', 0);
    await store.putManifest('app', '1.0.0', image);
    const { out } = await imgbuild('ls');
    expect(out).toMatch(/^LAYER +PLATFORM +FINGERPRINT +SIZE +AGE +RELEASES +TAGS\n/);
    expect(out).toMatch(/app +linux\/amd64 +[0-9a-f]{12} +\d+ B +0 minutes +- +-\n/);
    expect(out).toMatch(/3 days +- +1\.0\.0\n/);
    expect(out).toMatch(/2 saved layers, .* together in oci:\.imgbuild\/store\n$/);
    const json = JSON.parse((await imgbuild('ls', '--json')).out);
    expect(json).toMatchObject({
      schema: 1,
      layers: [
        { layer: 'app', tags: [] },
        { tags: ['1.0.0'], neededBy: [] },
      ],
    });
  });

  it('verify: names what is damaged, --repair takes it out, and the next save is whole', async () => {
    const image = await save('one', 0);
    await save('two', 0);
    expect(await imgbuild('verify')).toMatchObject({
      error: undefined,
      out: expect.stringContaining('as they were saved'),
    });
    await truncate(store.blobPath(image.layers[1]!.digest), 1);
    const { out, error } = await imgbuild('verify');
    expect(out).toMatch(new RegExp(`damaged: app:fp-${fingerprint('one')}: .* has 1 bytes instead of 3`));
    expect(error?.message).toContain('1 tag stands on damaged content');
    expect(error?.fix).toContain('--repair');
    expect((await imgbuild('verify', '--repair')).error).toBeUndefined();
    expect(await findSaved(store, 'app', fingerprint('one'))).toEqual({ kind: 'missing' });
    expect(await findSaved(store, 'app', fingerprint('two'))).toMatchObject({ kind: 'saved' });
    await save('one', 0);
    expect((await imgbuild('verify')).error).toBeUndefined();
  });

  it('verify: a blob that everything shares, flipped, is made anew by the next save', async () => {
    const image = await save('one', 0);
    await writeFile(store.blobPath(image.layers[0]!.digest), 'sharEd');
    expect((await imgbuild('verify', '--repair', '--json')).out).toContain('"damaged":[{');
    await save('one', 0);
    expect((await imgbuild('verify')).error).toBeUndefined();
  });

  it('gc: prints first, deletes with --yes, and keeps what is young, named or newest', async () => {
    for (const [name, days] of [
      ['old', 30],
      ['older', 40],
      ['newest', 10],
      ['young', 0],
    ] as const)
      await save(name, days);
    const named = await save('named', 50);
    await store.putManifest('app', '1.0.0', named);
    const { out } = await imgbuild('gc', '--keep', '2');
    expect(out).toMatch(/remove app +linux\/amd64 .* 30 days\n/);
    expect(out).toMatch(/2 layers and 2 input manifests to remove, .*; 3 layers kept\n/);
    expect(out).toContain('nothing is deleted yet: say it with --yes');
    expect(await store.listTags('app')).toHaveLength(11);
    const past = new Date(Date.now() - 3 * 86_400_000);
    for (const name of ['old', 'older']) await utimes(store.blobPath(digestOf(name)), past, past);
    const done = await imgbuild('gc', '--keep', '2', '--yes');
    expect(done.error).toBeUndefined();
    expect(done.out).toMatch(/removed 4 manifests; 8 B freed\n$/);
    expect(await findSaved(store, 'app', fingerprint('old'))).toEqual({ kind: 'missing' });
    for (const name of ['newest', 'young', 'named']) {
      expect(await findSaved(store, 'app', fingerprint(name))).toMatchObject({ kind: 'saved' });
    }
    expect((await imgbuild('verify')).error).toBeUndefined();
    expect((await imgbuild('gc', '--keep', '2')).out).toMatch(/^nothing to remove/);
  });

  it('ls and gc know which packages a release needs, by the sums of their files', async () => {
    await rm(folder, { recursive: true });
    folder = makeSmallProject();
    await releaseSaved(folder, '1.0.0');
    await writeFile(join(folder, 'files/a.txt'), 'two');
    await releaseSaved(folder, '1.1.0');
    const { layers } = JSON.parse((await imgbuild('ls', '--json')).out);
    const needed = (layers as { layer: string; neededBy: string[] }[]).map((each) => [each.layer, ...each.neededBy]);
    expect(needed).toEqual([
      ['quick-files', '1.1.0'],
      ['quick-files', '1.0.0'],
      ['quick-service', '1.0.0', '1.1.0'],
      ['service', '1.0.0', '1.1.0'],
    ]);
    vi.useFakeTimers({ now: Date.now() + 30 * 86_400_000, toFake: ['Date'] });
    try {
      const { keep, removals } = JSON.parse((await imgbuild('gc', '--keep', '0', '--json')).out);
      expect(removals).toEqual([]);
      expect(keep.map(({ because }: { because: string }) => because)).not.toContain('young');
    } finally {
      vi.useRealTimers();
    }
  });

  it('gc refuses while a release cannot be read, since it might need anything', async () => {
    await save('old', 30);
    await putImage(store, 'releases', '1.0.0', ['not a release']);
    const { error } = await imgbuild('gc', '--keep', '0', '--yes');
    expect(error?.message).toContain('reading release 1.0.0');
    expect(await findSaved(store, 'app', fingerprint('old'))).toMatchObject({ kind: 'saved' });
  });
});
