import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { failureOf, newFolder, put, watching, world } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';
import { readArchive, versions } from './support/read-archive.ts';
import { publishTo } from './support/signed-archive.ts';

beforeAll(() => installPackages(['apt-utils'], () => {}), 120_000);

test('what is published is as apt-ftparchive would list it', async () => {
  const { site, debs } = world();
  await makeDeb(debs, {
    name: 'hello',
    version: '1.0',
    architecture: 'amd64',
    compression: 'xz',
    fields: 'Depends: libc6\n',
  });
  await makeDeb(debs, { name: 'libworld', version: '2.0-1', fields: 'Section: misc\nPriority: optional\n' });
  const { added } = await publishTo(site, debs);
  expect(added.map(({ filename }) => filename).toSorted()).toEqual([
    'pool/main/c/ccai-archive-keyring/ccai-archive-keyring_1_all.deb',
    'pool/main/h/hello/hello_1.0_amd64.deb',
    'pool/main/libw/libworld/libworld_2.0-1_all.deb',
  ]);
  const wanted = execFileSync('apt-ftparchive', ['-o', 'APT::FTPArchive::AlwaysStat=true', 'packages', 'pool'], {
    cwd: site,
    encoding: 'utf8',
  });
  const stanzas = (text: string) =>
    text
      .split(/\n{2,}/)
      .filter((paragraph) => paragraph.trim() !== '')
      .map((paragraph) => paragraph.trim().split(/\n(?! )/))
      // What SHA256 says, said in weaker ways.
      .map((fields) => fields.filter((field) => !/^(MD5sum|SHA1|SHA512):/.test(field)).toSorted())
      .toSorted((a, b) => (a.join() < b.join() ? -1 : 1));
  const ours = ['all', 'amd64']
    .map((each) =>
      zstdDecompressSync(readFileSync(join(site, `dists/stable/main/binary-${each}/Packages.zst`))).toString(),
    )
    .join('\n');
  expect(stanzas(ours)).toEqual(stanzas(wanted));
  for (const each of ['all', 'amd64']) {
    const folder = join(site, `dists/stable/main/binary-${each}`);
    const unpacked = execFileSync('xz', ['-dc', join(folder, 'Packages.xz')]);
    expect(unpacked).toEqual(zstdDecompressSync(readFileSync(join(folder, 'Packages.zst'))));
  }
  expect(readArchive(site)).toHaveLength(3);
});

describe('adding to what is there', () => {
  test('reads only what is new', async () => {
    const { site, debs } = world();
    for (const version of ['1.0', '1.1', '1.2']) await put(debs, version);
    await publishTo(site, debs);
    await put(debs, '1.3');
    const { progress, read } = watching();
    const { added, packages } = await publishTo(site, debs, { progress });
    expect(added.map(({ version }) => version)).toEqual(['1.3']);
    expect(packages).toBe(5);
    expect(read).toEqual(['reading hello_1.3_all.deb', 'reading ccai-archive-keyring.deb']);
    const again = watching();
    expect((await publishTo(site, debs, again)).changed).toBe(false);
    expect(again.read).toEqual([]);
    expect(versions(site)).toEqual(['1.3', '1.2', '1.1', '1.0']);
  });

  test('hashes a file of the pool again when its time is another, and all where --verify is given', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await put(debs, '1.1');
    await publishTo(site, debs);
    const file = join(site, 'pool/main/h/hello/hello_1.0_all.deb');
    utimesSync(file, 1, 1);
    const touched = watching();
    await publishTo(site, undefined, touched);
    expect(touched.read).toContain('checking 1 published packages');
    const known = watching();
    await publishTo(site, undefined, known);
    expect(known.read).toEqual([]);
    const verified = watching();
    await publishTo(site, undefined, { ...verified, verify: true });
    expect(verified.read).toContain('checking 3 published packages');
    rmSync(join(site, 'imgbuild-apt.json'));
    const forgotten = watching();
    await publishTo(site, undefined, forgotten);
    expect(forgotten.read).toContain('checking 3 published packages');
  });

  test('a file of the pool that is lost or damaged stops it, and is mended by publishing that package again', async () => {
    const { site, debs } = world();
    const deb = await put(debs, '1.0');
    await publishTo(site, debs);
    const file = join(site, 'pool/main/h/hello/hello_1.0_all.deb');
    const before = readFileSync(join(site, 'dists/stable/InRelease'));
    const bytes = readFileSync(file);
    bytes[100]! ^= 1;
    writeFileSync(file, bytes);
    const more = newFolder('more');
    await put(more, '1.1');
    expect((await failureOf(publishTo(site, more))).because).toMatch(/its bytes are others than the index says/);
    rmSync(file);
    expect((await failureOf(publishTo(site, more))).because).toMatch(/it is not there/);
    expect(readFileSync(join(site, 'dists/stable/InRelease'))).toEqual(before);
    copyFileSync(deb, join(more, basename(deb)));
    await publishTo(site, more);
    expect(versions(site)).toEqual(['1.1', '1.0']);
  });

  test('refuses other contents under a name and version that devices may have', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const files = { 'usr/share/hello/version': 'other\n' };
    const changed = newFolder('changed');
    await makeDeb(changed, { name: 'hello', version: '1.0', files });
    expect((await failureOf(publishTo(site, changed))).because).toBe(
      'hello 1.0 for all is published with other contents',
    );
    const epochs = newFolder('epochs');
    await makeDeb(epochs, { name: 'hello', version: '1:1.0', files });
    expect((await failureOf(publishTo(site, epochs))).because).toMatch(
      /hello_1\.0_all\.deb, which is that of hello 1\.0/,
    );
    expect(readArchive(site)).toHaveLength(2);
  });

  test('a malformed package stops it before anything is published', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    await put(debs, '1.1');
    writeFileSync(join(debs, 'zz.deb'), '!<arch>\n');
    const failure = await failureOf(publishTo(site, debs));
    expect(failure).toMatchObject({ doing: 'reading zz.deb', because: 'it has no debian-binary', kind: 'input' });
    expect(versions(site)).toEqual(['1.0']);
    expect(existsSync(join(site, 'pool/main/h/hello/hello_1.1_all.deb'))).toBe(false);
    expect(existsSync(join(site, '.imgbuild/incoming'))).toBe(false);
  });

  test('a Release is never older than the one before, which no reader would take', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    const first = await publishTo(site, debs);
    await put(debs, '1.1');
    const { date } = await publishTo(site, debs, { now: new Date(first.date.getTime() - 86_400_000) });
    expect(date.getTime()).toBe(first.date.getTime() + 1000);
  });

  test('nothing is written where nothing is new', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    await publishTo(site, debs);
    const state = () =>
      readdirSync(site, { recursive: true, encoding: 'utf8' })
        .filter((path) => !path.startsWith('.imgbuild'))
        .map((path) => `${path} ${statSync(join(site, path), { bigint: true }).ctimeNs}`);
    const before = state();
    expect((await publishTo(site, debs)).changed).toBe(false);
    expect(state()).toEqual(before);
  });

  test('a site below the folder of the packages is none of them', async () => {
    const { debs } = world();
    const site = join(debs, 'out/site');
    await put(debs, '1.0');
    await publishTo(site, debs);
    await put(debs, '1.1');
    await publishTo(site, debs, { keep: 1 });
    const again = watching();
    const { dropped, added } = await publishTo(site, debs, { keep: 1, ...again });
    expect([dropped, added, again.read]).toEqual([[], [], []]);
    expect(versions(site)).toEqual(['1.1']);
  });

  test('suites share a pool', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs, { suite: 'beta', baseUrl: 'https://example.com/apt' });
    await publishTo(site, debs);
    expect(readFileSync(join(site, 'ccai.sources'), 'utf8')).toContain('URIs: https://example.com/apt/\n');
    await put(debs, '1.1');
    await publishTo(site, debs, { suite: 'beta', keep: 1 });
    expect(versions(site)).toEqual(['1.0']);
    expect(versions(site, 'hello', 'beta')).toEqual(['1.1']);
    const far = { now: new Date(Date.now() + 30 * 86_400_000) };
    await publishTo(site, undefined, { suite: 'beta', keep: 1, ...far });
    expect(versions(site)).toEqual(['1.0']);
    expect(existsSync(join(site, 'ccai-beta.sources'))).toBe(true);
  });
});

describe('retention', () => {
  test('keeps the newest versions by the order of dpkg, for each architecture', async () => {
    const { site, debs } = world();
    for (const version of ['1.9', '1.10', '1.10~rc.1', '1:0.1']) await put(debs, version);
    await makeDeb(debs, { name: 'hello', version: '1.0', architecture: 'amd64' });
    const { dropped, added } = await publishTo(site, debs, { keep: 2 });
    expect(versions(site)).toEqual(['1:0.1', '1.10', '1.0']);
    expect(dropped).toEqual([]); // Nobody has seen them.
    expect(added.map(({ version }) => version)).not.toContain('1.9');
    expect(existsSync(join(site, 'pool/main/h/hello/hello_1.9_all.deb'))).toBe(false);
    await put(debs, '1:0.2');
    expect((await publishTo(site, debs, { keep: 2 })).dropped).toEqual(['pool/main/h/hello/hello_1.10_all.deb']);
  });

  test('does not read again what newer versions have displaced, until more of them are kept', async () => {
    const { site, debs } = world();
    for (const version of ['1.0', '1.1', '1.2']) await put(debs, version);
    await publishTo(site, debs, { keep: 1 });
    await publishTo(site, debs, { keep: 1 });
    const again = watching();
    await publishTo(site, debs, { keep: 1, ...again });
    expect(again.read).toEqual([]);
    await publishTo(site, debs, { keep: 2 });
    expect(versions(site)).toEqual(['1.2', '1.1']);
    await publishTo(site, debs);
    expect(versions(site)).toEqual(['1.2', '1.1', '1.0']);
  });

  test('readers of the old index find its files for three days', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const old = readFileSync(join(site, 'dists/stable/InRelease'), 'utf8');
    await put(debs, '1.1');
    const at = (days: number) => ({ keep: 1, now: new Date(Date.now() + days * 86_400_000) });
    await publishTo(site, debs, at(0));
    expect(readArchive(site, 'stable', old)).toHaveLength(2);
    await publishTo(site, undefined, at(2));
    expect(readArchive(site, 'stable', old)).toHaveLength(2);
    await publishTo(site, undefined, at(4));
    expect(() => readArchive(site, 'stable', old)).toThrow();
    expect(existsSync(join(site, 'pool/main/h/hello/hello_1.0_all.deb'))).toBe(false);
    expect(versions(site)).toEqual(['1.1']);
  });
});

test('the page for people is one file, and shows what packages say as text', async () => {
  const { site, debs } = world();
  await makeDeb(debs, { name: 'hello', version: '1.0', fields: 'Homepage: https://example.com\n' });
  const { control } = (await import('../../src/apt/read-deb.ts')).parseControl(
    'Package: evil\nVersion: 1\nArchitecture: all\nDescription: <script>alert("1")</script> & \'x\'\n',
  );
  const { indexPackage } = await import('../../src/apt/package.ts');
  const { formatIndexPage } = await import('../../src/apt/index-page.ts');
  const evil = indexPackage(control, { filename: 'pool/"><b>.deb', size: 1, sha256: '00' });
  const page = formatIndexPage({
    origin: '<i>',
    base: 'https://example.com/"><b>/',
    files: '',
    date: new Date(0),
    suites: [{ name: 'stable', packages: [evil] }],
    fingerprints: ['AB'],
  });
  expect(page).not.toMatch(/<script|<i>|<b>/);
  expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;');
  expect(page).not.toMatch(/(?:src|href)="https?:|@import|url\(/);
  await publishTo(site, debs, { baseUrl: 'https://example.com/apt' });
  const real = readFileSync(join(site, 'index.html'), 'utf8');
  expect(real).toContain('https://example.com/apt/ccai.sources');
  expect(real).toContain('<a href="pool/main/h/hello/hello_1.0_all.deb">hello</a>');
});
