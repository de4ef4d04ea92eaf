import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adviceOn } from '../../src/delta/advice.ts';
import { inspectBundle } from '../../src/delta/inspect.ts';
import type { InspectedBundle } from '../../src/delta/inspected.ts';
import { makeDelta, type DeltaRequest } from '../../src/delta/make.ts';
import { verifyBundle } from '../../src/delta/verify.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { readTar } from '../../src/tar/extract.ts';
import { otaPage } from '../../src/report/ota-page.ts';
import { styleFor } from '../../src/report/failure.ts';
import { renderInspected } from '../../src/report/ota.ts';
import { noise, sampleTar, sha256, writeOciArchive, type SampleEntry, type SampleOptions } from './sample-image.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-inspect-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { signal } = new AbortController();
const inspecting = () => ({ signal, temporary: folder, progress: silent });
const plainStyle = styleFor({}, {});
const put = (name: string, layers: Buffer[], options: SampleOptions = {}) =>
  writeOciArchive(join(folder, name), layers, options);

async function withImages<Result>(name: string, use: (set: ImageSet) => Promise<Result>): Promise<Result> {
  const store = async () => {
    throw new Error('no release is named here');
  };
  const set = await openImages(name, { directory: folder, platform: hostPlatform(), store });
  try {
    return await use(set);
  } finally {
    await set.close();
  }
}

const bundle = () => join(folder, 'out.ota.tar');
const make = (more: Partial<DeltaRequest> = {}, from = 'oci-archive:old.tar') =>
  withImages(from, (old) =>
    withImages('oci-archive:new.tar', (to) =>
      makeDelta({ from: old, to, output: bundle(), format: 'imgbuild', progress: silent, signal, ...more }),
    ),
  );
const inspect = (path = bundle()) => inspectBundle(path, statSync(path).size, inspecting());
const verify = (path: string) =>
  withImages('oci-archive:old.tar', (from) =>
    verifyBundle({ path, from, trust: 'anyone', temporary: folder, progress: silent, signal }),
  );

/** Every byte of the file once: by filesystem layer, in each by what became of files and by file, and by package. */
function expectSums({ bytes, documents, images }: InspectedBundle, size: number): void {
  expect(bytes).toBe(size);
  const layers = images.flatMap((image) => image.layers);
  expect(documents + layers.reduce((sum, layer) => sum + layer.bytes, 0)).toBe(size);
  let overheads = 0;
  let all = 0;
  for (const { kind, bytes: own, overhead, totals, files, unlisted } of layers) {
    if (kind === 'reused') continue;
    const kinds = Object.values(totals!);
    expect(overhead!).toBeGreaterThanOrEqual(0);
    expect(overhead! + kinds.reduce((sum, each) => sum + each.bytes, 0)).toBe(own);
    const listed = files!.reduce((sum, each) => sum + each.bytes, unlisted?.bytes ?? 0);
    expect(overhead! + listed).toBe(own);
    expect(files!.length + (unlisted?.count ?? 0)).toBe(kinds.reduce((sum, { count }) => sum + count, 0));
    for (const file of files!) expect(file.bytes).toBeGreaterThanOrEqual(0);
    overheads += overhead!;
    all += own;
  }
  for (const { packages } of images) {
    if (packages === null) continue;
    const listed = packages.listed.reduce((sum, each) => sum + each.bytes, packages.others.bytes);
    expect(listed + packages.none.bytes + overheads).toBe(all);
  }
}

/** The bundle with one blob of its first delta changed: the account, or whatever is called otherwise. */
async function rewritten(name: string, edit: (text: Buffer, descriptors: Descriptors) => Buffer): Promise<string> {
  const members: [string, Buffer][] = [];
  for await (const entry of readTar(createReadStream(bundle()))) {
    const parts: Buffer[] = [];
    for await (const chunk of entry.contents()) parts.push(Buffer.from(chunk));
    members.push([entry.header.name, Buffer.concat(parts)]);
  }
  const files = new Map(members);
  const nameOf = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
  const index = JSON.parse(files.get('index.json')!.toString());
  const [descriptor] = index.manifests;
  const manifest = JSON.parse(files.get(nameOf(descriptor.digest))!.toString());
  const accounts = manifest.layers.filter(
    (layer: Descriptors[number]) => layer.annotations['io.github.containers.delta.content'] === 'account',
  );
  const text = edit(files.get(nameOf(accounts[0].digest))!, manifest.layers);
  files.delete(nameOf(accounts[0].digest));
  Object.assign(accounts[0], { digest: sha256(text), size: text.length });
  files.delete(nameOf(descriptor.digest));
  const bytes = Buffer.from(JSON.stringify(manifest));
  Object.assign(descriptor, { digest: sha256(bytes), size: bytes.length });
  files.set('index.json', Buffer.from(JSON.stringify(index)));
  files.set(nameOf(descriptor.digest), bytes).set(nameOf(accounts[0].digest), text);
  const path = join(folder, name);
  writeFileSync(path, sampleTar([...files].map(([each, contents]) => ({ name: each, bytes: contents }))));
  return path;
}
type Descriptors = { digest: string; size: number; mediaType: string; annotations: Record<string, string> }[];

const file = (name: string, bytes: Buffer | string): SampleEntry => ({ name, bytes });
const status = (...packages: string[]) =>
  packages.map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: ${name.length}.0-1\n`).join('\n');
const list = (name: string, ...paths: string[]) => file(`var/lib/dpkg/info/${name}.list`, `/.\n${paths.join('\n')}\n`);
const site = 'usr/local/lib/python3.11/dist-packages';

/** One half is the same for every seed. */
const partly = (seed: string, name: string) => Buffer.concat([noise(10_000, `${seed} ${name}`), noise(10_000, name)]);

/** A tree with packages of every kind; `seed` decides what is in its files. */
function tree(seed: string): SampleEntry[] {
  const bytes = (name: string) => partly(seed, name);
  return [
    { name: 'lib', symlink: 'usr/lib' },
    file('var/lib/dpkg/status', status('libmerged', 'plain')),
    list('libmerged:amd64', '/lib', '/lib/libmerged.so.1', '/usr/share'),
    list('plain', '/usr/share', '/usr/share/plain', '/usr/lib/python3/dist-packages/plain.py'),
    file('usr/lib/libmerged.so.1', bytes('so')),
    { name: 'usr/share/', folder: true },
    file('usr/share/plain', bytes('plain')),
    file('usr/lib/python3/dist-packages/plain.py', 'import this'),
    file('usr/lib/python3/dist-packages/__pycache__/plain.cpython-311.pyc', bytes('pyc')),
    file(`${site}/tools-1.5.dist-info/RECORD`, 'tools/run.py,sha256=x,1\n"tools/a, b.py",,\n../../../bin/tool,,\n'),
    file(`${site}/tools/run.py`, bytes('run')),
    file(`${site}/tools/a, b.py`, bytes('ab')),
    file('usr/local/bin/tool', bytes('tool')),
    file(`${site}/Old_Egg-2.0-py3.11.egg-info/top_level.txt`, 'egg\n'),
    file(`${site}/egg/deep/er.py`, bytes('egg')),
    file('srv/app', bytes('app')),
  ];
}
const owned = ({ images }: InspectedBundle) =>
  new Map(
    images.flatMap(({ layers }) => layers.flatMap(({ files = [] }) => files)).map((each) => [each.path, each.package]),
  );
const owners: [string, string | undefined][] = [
  ['usr/lib/libmerged.so.1', 'dpkg libmerged 9.0-1'],
  ['usr/share/plain', 'dpkg plain 5.0-1'],
  ['usr/lib/python3/dist-packages/__pycache__/plain.cpython-311.pyc', 'dpkg plain 5.0-1'],
  [`${site}/tools/run.py`, 'python tools 1.5'],
  [`${site}/tools/a, b.py`, 'python tools 1.5'],
  ['usr/local/bin/tool', 'python tools 1.5'],
  [`${site}/egg/deep/er.py`, 'python Old_Egg 2.0'],
  ['srv/app', undefined],
];
function expectOwners(inspected: InspectedBundle): void {
  const found = owned(inspected);
  const named = owners.map(([path]) => {
    const owner = found.get(path);
    return [path, owner && `${owner.kind} ${owner.name} ${owner.version}`];
  });
  expect(named).toEqual(owners);
}

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
