import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { adviceOn } from '../../src/delta/advice.ts';
import { inspectBundle } from '../../src/delta/inspect.ts';
import { otaPage } from '../../src/report/ota-page.ts';
import { renderInspected } from '../../src/report/ota.ts';
import { noise, sampleTar, sha256 } from './sample-image.ts';
import {
  bundle,
  expectOwners,
  expectSums,
  file,
  folder,
  inspect,
  inspecting,
  list,
  make,
  owned,
  partly,
  plainStyle,
  put,
  rewritten,
  site,
  status,
  tree,
  verify,
  withImages,
} from '../support/inspected-bundle.ts';

describe('a bundle with layer deltas', () => {
  test('every byte is accounted for once, by filesystem layer, by package and by file', async () => {
    const kept = noise(40_000, 'kept');
    put('old.tar', [sampleTar([...tree('1'), file('keep', kept), file('away', noise(9000, 'move'))])]);
    put(
      'new.tar',
      [
        sampleTar([...tree('2'), file('keep', kept), file('moved', noise(9000, 'move'))], 1_710_000_000),
        sampleTar([file('quite', noise(300, 'new'))]),
      ],
      { compression: 'zstd' },
    );
    const { bytes } = await make();
    const inspected = await inspect();
    expectSums(inspected, bytes);
    expectOwners(inspected);
    const [first, second] = inspected.images[0]!.layers;
    expect([first!.format, second!.kind]).toEqual(['imgbuild', 'whole']);
    const changes = new Map(first!.files!.map(({ path, change }) => [path, change]));
    expect(changes.get('keep')).toBe('header-only');
    expect(changes.get('moved')).toBe('moved');
    expect(changes.get('srv/app')).toBe('changed');
    // Both packages list the folder: it is nobody's.
    expect(owned(inspected).get('usr/share')).toBeUndefined();
    const tools = inspected.images[0]!.packages!.listed.find(({ name }) => name === 'tools')!;
    expect(tools).toMatchObject({ kind: 'python', version: '1.5', count: 4 });
    expect(tools.bytes).toBeGreaterThan(25_000);
    const text = renderInspected(inspected, plainStyle);
    expect(text).toMatch(/by package\n +[0-9.]+ kB +tools 1\.5 \(python\): 3 changed/);
    expect(otaPage(inspected)).toContain('<td>tools 1.5 (Python)</td>');
  });

  test('files of packages that dpkg itself has installed', async () => {
    const control =
      'Package: hello\nVersion: 2:1.0-3\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n';
    const root = join(folder, 'root');
    for (const each of [
      'deb/DEBIAN',
      'deb/lib',
      'deb/usr/bin',
      'root/var/lib/dpkg/info',
      'root/var/lib/dpkg/updates',
    ]) {
      mkdirSync(join(folder, each), { recursive: true });
    }
    writeFileSync(join(folder, 'deb/DEBIAN/control'), control);
    writeFileSync(join(folder, 'deb/usr/bin/hello'), noise(30_000, 'hello'));
    writeFileSync(join(folder, 'root/var/lib/dpkg/status'), '');
    execFileSync('dpkg-deb', ['-b', '--root-owner-group', join(folder, 'deb'), join(folder, 'hello.deb')]);
    const flags = ['--force-not-root', '--force-script-chrootless', `--root=${root}`, '--log=/dev/null'];
    execFileSync('dpkg', [...flags, '-i', join(folder, 'hello.deb')], { stdio: 'pipe' });
    const tar = execFileSync('tar', ['-C', root, '--numeric-owner', '-c', '.'], { maxBuffer: 2 ** 26 });
    put('old.tar', [sampleTar([file('usr/bin/hello', noise(30_000, 'old'))])]);
    put('new.tar', [tar]);
    await make();
    const found = owned(await inspect());
    expect(found.get('usr/bin/hello')).toEqual({ kind: 'dpkg', name: 'hello', version: '2:1.0-3' });
    expect(found.get('var/lib/dpkg/info/hello.list')?.name).toBe('hello');
    expect(found.get('var/lib/dpkg/status')).toBeUndefined();
  });

  test('distroless: packages without dpkg', async () => {
    const contents = (seed: string) => [
      file('var/lib/dpkg/status.d/libssl3', 'Package: libssl3\nVersion: 3.0.15-1\nDescription: x\n'),
      file('var/lib/dpkg/status.d/libssl3.md5sums', `${'0'.repeat(32)}  usr/lib/libssl.so.3\n`),
      file('usr/lib/libssl.so.3', partly(seed, 'ssl')),
      file('other', partly(seed, 'other')),
    ];
    put('old.tar', [sampleTar(contents('1'))]);
    put('new.tar', [sampleTar(contents('2'))]);
    const { bytes } = await make();
    const inspected = await inspect();
    expectSums(inspected, bytes);
    const [libssl, ...others] = inspected.images[0]!.packages!.listed;
    expect(libssl).toMatchObject({ kind: 'dpkg', name: 'libssl3', version: '3.0.15-1' });
    expect(others).toEqual([]);
    expect(owned(inspected).get('other')).toBeUndefined();
  });

  test('lists of all filesystem layers count, and those alone that show', async () => {
    const below = sampleTar([
      file('var/lib/dpkg/status', status('gone', 'stays')),
      list('gone', '/srv/a'),
      list('stays', '/srv/b'),
      list('hidden', '/srv/c'),
    ]);
    const above = (seed: string) =>
      sampleTar([
        file('var/lib/dpkg/info/.wh.gone.list', ''),
        list('hidden', '/srv/d'),
        ...['a', 'b', 'c', 'd'].map((name) => file(`srv/${name}`, partly(seed, name))),
      ]);
    put('old.tar', [below, above('1')]);
    put('new.tar', [below, above('2')]);
    await make();
    const found = owned(await inspect());
    expect(['a', 'b', 'c', 'd'].map((name) => found.get(`srv/${name}`)?.name)).toEqual([
      undefined,
      'stays',
      undefined,
      'hidden',
    ]);
  });

  test('an account takes 1 % at most, or 2 KiB: files are cut, and no sum is', async () => {
    const entries = (seed: string) => [
      file('var/lib/dpkg/status', status(...Array.from({ length: 400 }, (_, at) => `package-${at}`))),
      ...Array.from({ length: 400 }, (_, at) => list(`package-${at}`, `/srv/${sha256(Buffer.from(`${at}`)).slice(7)}`)),
      ...Array.from({ length: 400 }, (_, at) => {
        return file(`srv/${sha256(Buffer.from(`${at}`)).slice(7)}`, noise(20 + at, `${seed} ${at}`));
      }),
    ];
    put('old.tar', [sampleTar(entries('1'))]);
    put('new.tar', [sampleTar(entries('2'))]);
    const { bytes, images } = await make();
    const account = await accountOf();
    const layers = images[0]!.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    const few = Math.min(2048, Math.max(512, Math.floor(layers / 20)));
    expect(account.length).toBeLessThanOrEqual(Math.max(few, Math.floor(layers / 100)));
    const inspected = await inspect();
    expectSums(inspected, bytes);
    const [layer] = inspected.images[0]!.layers;
    const { packages } = inspected.images[0]!;
    expect(layer!.unlisted!.count).toBeGreaterThan(0);
    expect(packages!.others.packages + packages!.listed.length).toBe(400);
    expect(packages!.others.packages).toBeGreaterThan(0);
    expect(packages!.listed.length).toBeGreaterThan(0);
    expect(renderInspected(inspected, plainStyle)).toMatch(/in [0-9]+ more/);
    expect(otaPage(inspected)).toMatch(/[0-9]+ smaller file/);
  });

  async function accountOf(): Promise<Buffer> {
    let found: Buffer | undefined;
    await rewritten('same.ota.tar', (text) => (found = text));
    return found!;
  }

  test('advice is about all files, and says why a program compiled anew is other', async () => {
    const pyc = (time: number, at: number) =>
      Buffer.concat([Buffer.from([0xa7, 13, 13, 10, 0, 0, 0, 0, time, 0, 0, 0]), noise(4000, at)]);
    const entries = (time: number) =>
      Array.from({ length: 900 }, (_, at) => {
        return file(`${site}/much/__pycache__/${noise(9, at).toString('hex')}.cpython-311.pyc`, pyc(time, at));
      });
    put('old.tar', [sampleTar([file('v', 'same'), file('w', 'same')]), sampleTar(entries(1))]);
    put('new.tar', [sampleTar([file('v', 'same'), file('w', 'same')], 1_720_000_000), sampleTar(entries(2))]);
    await make();
    const inspected = await inspect();
    expect(inspected.images[0]!.layers[1]!.unlisted!.count).toBeGreaterThan(0);
    const advice = adviceOn(inspected);
    expect(advice).toContainEqual(
      expect.objectContaining({ kind: 'bytecode-times', folder: `${site}/much`, files: 900 }),
    );
    expect(advice.map(({ kind }) => kind)).toContain('only-times');
  });

  test('without an account, or with one of another time, the rest is said all the same', async () => {
    put('old.tar', [sampleTar(tree('1'))]);
    put('new.tar', [sampleTar(tree('2'))]);
    await make();
    const path = await rewritten('later.ota.tar', (text, layers) => {
      layers.at(-1)!.mediaType = 'application/vnd.imgbuild.account.v2+zstd';
      return text;
    });
    const inspected = await inspect(path);
    expect(inspected.images[0]).toMatchObject({ packages: null });
    const [layer] = inspected.images[0]!.layers;
    expect(layer).toMatchObject({ kind: 'delta', format: 'imgbuild' });
    expect(layer!.files).toBeUndefined();
    expect(renderInspected(inspected, plainStyle)).toMatch(/files unknown.*packages unknown/s);
    expect(otaPage(inspected)).toContain('Unknown: ');
    await verify(path);
  });
});

describe('an account that is broken or lies is an error of inspect, and of nothing else', () => {
  type Document = {
    layers: { layer: number; totals: Record<string, number[]> }[];
    packages: { none: Record<string, number[]> };
    files: [number, string, number, number, number, string, string][];
  };
  const lie = (change: (document: Document) => void) => (text: Buffer) => {
    const document: Document = JSON.parse(zstdDecompressSync(text).toString());
    change(document);
    return zstdCompressSync(Buffer.from(JSON.stringify(document)));
  };
  const first = (totals: Record<string, number[]>) => Object.values(totals)[0]!;
  const cases: [string, Parameters<typeof rewritten>[1], RegExp][] = [
    ['no zstd', () => Buffer.from('not at all'), /no zstd of JSON/],
    ['cut', (text) => text.subarray(0, -3), /no zstd of JSON/],
    ['no JSON', () => zstdCompressSync(Buffer.from('{')), /no zstd of JSON/],
    ['no account', () => zstdCompressSync(Buffer.from('{"schema":2}')), /no account/],
    ['a bomb', () => zstdCompressSync(Buffer.alloc(70_000_000, ' ')), /unpacks to more/],
    ['a layer that is not there', lie(({ layers }) => void (layers[0]!.layer = 7)), /filesystem layer 7/],
    ['a layer twice', lie(({ layers }) => void layers.push(layers[0]!)), /filesystem layer 0/],
    ['a layer is missing', lie(({ layers }) => void layers.pop()), /lacks 1/],
    [
      'more bytes than there are',
      lie(({ layers }) => void (first(layers[0]!.totals)[2]! += 1e6)),
      /bytes in a filesystem/,
    ],
    [
      'larger files than the tar',
      lie(({ layers }) => void (first(layers[0]!.totals)[1]! += 1e9)),
      /files of [0-9]+ bytes/,
    ],
    ['packages that have more', lie(({ packages }) => void (first(packages.none)[2]! += 1)), /its packages have/],
    ['files that have more', lie(({ files }) => void (files[0]![3] += 1)), /its files have/],
    ['files that have less', lie(({ files }) => void (files[0]![3] -= 1)), /its files have/],
    ['a file of no layer', lie(({ files }) => void (files[0]![0] = 9)), /not carried/],
    ['a package that is not there', lie(({ files }) => void (files[0]![4] = 99)), /no package 99/],
    ['less than nothing', lie(({ files }) => void (files[0]![3] = -1)), /no account/],
    ['two', (text, layers) => (layers.push({ ...layers.at(-1)! }), text), /2 of them|digest|missing/],
  ];
  test.each(cases)('%s', async (_, edit, message) => {
    put('old.tar', [sampleTar(tree('1'))]);
    put('new.tar', [sampleTar(tree('2'))]);
    await make();
    const path = await rewritten('lies.ota.tar', edit);
    await expect(inspect(path)).rejects.toThrow(message);
    await expect(inspect(path)).rejects.toMatchObject({ name: 'Failure' });
    await verify(path);
  });
});

describe('packages of a bundle that other tools read', () => {
  test('are unknown, unless the image that it starts from says them', async () => {
    const below = sampleTar([file('bin/sh', noise(50_000, 'sh'))]);
    put('old.tar', [below, sampleTar(tree('1'))]);
    put('new.tar', [below, sampleTar(tree('2'))]);
    const { bytes } = await make({ format: 'oci-delta' });
    const alone = await inspect();
    expectSums(alone, bytes);
    expect(alone.images[0]!.packages).toBeNull();
    expect(renderInspected(alone, plainStyle)).toMatch(/packages unknown.*\n.*--from/);
    const inspected = await withImages('oci-archive:old.tar', (from) =>
      inspectBundle(bundle(), bytes, { ...inspecting(), from }),
    );
    expectSums(inspected, bytes);
    expectOwners(inspected);
    const wrong = withImages('oci-archive:new.tar', (from) =>
      inspectBundle(bundle(), bytes, { ...inspecting(), from }),
    );
    await expect(wrong).rejects.toThrow(/it starts from the image/);
  });

  test('are known where it carries everything', async () => {
    put('new.tar', [sampleTar(tree('2'))]);
    const { bytes } = await make({ format: 'oci-delta' }, 'none');
    const inspected = await inspect();
    expectSums(inspected, bytes);
    expectOwners(inspected);
  });
});
