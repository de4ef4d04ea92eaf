import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { Failure } from '../../src/failure.ts';
import { silent, type Progress } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../src/signing/openpgp.ts';
import { newFolder, newKey, publishWith, type PublishedBy } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';

let key: SigningKey;
let other: SigningKey;
let privateKey: string;
beforeAll(async () => {
  await installPackages(['xz-utils', 'gpgv', 'apt-utils'], () => {});
  ({ privateKey } = await generateSigningKey('Example packages <packages@example.com>'));
  key = await readSigningKey(Buffer.from(privateKey), 'the key');
  other = await newKey('Other packages <other@example.com>');
}, 120_000);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const failureOf = async (work: Promise<unknown>): Promise<Failure> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
};

/** Names of the files that were read from front to end. */
function watching(): { progress: Progress; read: string[] } {
  const read: string[] = [];
  return { read, progress: { ...silent, transfer: (label) => (read.push(label), { add() {}, end() {} }) } };
}

interface Stanza {
  [field: string]: string;
}

/**
 * What a reader finds that trusts InRelease alone: checked by gpgv, then each index by hash, then each file of the
 * pool. Throws on anything that is not as listed.
 */
function readArchive(
  site: string,
  suite = 'stable',
  from = readFileSync(join(site, `dists/${suite}/InRelease`), 'utf8'),
) {
  const ring = readdirSync(site).find((name) => name.endsWith('.gpg'))!;
  const document = join(newFolder('reader'), 'InRelease');
  writeFileSync(document, from);
  const text = execFileSync('gpgv', ['--quiet', '--keyring', join(site, ring), '--output', '-', document], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const packages: Stanza[] = [];
  for (const [, hash, size, path] of text.matchAll(/^ ([0-9a-f]{64}) ([0-9]+) (\S+)$/gm)) {
    if (path!.endsWith('/Packages')) continue;
    const bytes = readFileSync(join(site, 'dists', suite, path!, '../by-hash/SHA256', hash!));
    expect(bytes.length).toBe(Number(size));
    expect(sha256(bytes)).toBe(hash);
    if (!path!.endsWith('.zst')) continue;
    for (const paragraph of zstdDecompressSync(bytes).toString().split('\n\n')) {
      if (paragraph.trim() === '') continue;
      packages.push(
        Object.fromEntries([...paragraph.matchAll(/^(\S+): (.*)$/gm)].map(([, name, value]) => [name, value])),
      );
    }
  }
  for (const { Filename, SHA256 } of packages) {
    if (existsSync(join(site, 'pool'))) expect(sha256(readFileSync(join(site, Filename!)))).toBe(SHA256);
  }
  return packages;
}
const versions = (site: string, name = 'hello', suite?: string) =>
  readArchive(site, suite)
    .filter((each) => each.Package === name)
    .map((each) => each.Version);

const world = () => ({ site: newFolder('site'), debs: newFolder('debs') });
const put = (debs: string, version: string, name = 'hello') => makeDeb(debs, { name, version });
const publishTo = (site: string, debs: string | undefined, more: Partial<PublishedBy> = {}) =>
  publishWith({ site, debs, keys: [key], ...more });

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

  test('suites share a pool', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs, { suite: 'beta' });
    await publishTo(site, debs);
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
    expect(dropped).toHaveLength(2);
    expect(added.map(({ version }) => version)).not.toContain('1.9');
    expect(existsSync(join(site, 'pool/main/h/hello/hello_1.9_all.deb'))).toBe(false);
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

describe('signatures', () => {
  test('a site that another key has signed, or nobody, is not signed', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs, { keys: [other] });
    const failure = await failureOf(publishTo(site, debs));
    expect(failure).toMatchObject({ because: 'none of the keys at hand has signed it as it is', kind: 'input' });
    await publishTo(site, debs, { adopt: true });
    const release = join(site, 'dists/stable/InRelease');
    writeFileSync(release, readFileSync(release, 'utf8').replace('Origin: ccai', 'Origin: evil'));
    expect((await failureOf(publishTo(site, debs))).because).toMatch(/none of the keys/);
  });

  test('an index that was changed in the site is not signed', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const folder = join(site, 'dists/stable/main/binary-all');
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (statSync(join(folder, name)).isFile()) writeFileSync(join(folder, name), 'x');
    expect((await failureOf(publishTo(site, debs))).because).toMatch(
      /Packages\.zst, which it lists, is not there as listed/,
    );
  });

  test('without a key nothing is published', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    expect((await failureOf(publishTo(site, debs, { keys: [] }))).because).toBe('there is no key to sign with');
    expect(readdirSync(site)).toEqual([]);
  });

  test('the keyring package follows the keys, and stays as it is while they do', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const first = readFileSync(join(site, 'ccai-archive-keyring.deb'));
    await put(debs, '1.1');
    await publishTo(site, debs);
    expect(versions(site, 'ccai-archive-keyring')).toEqual(['1']);
    await publishTo(site, debs, { keys: [other, key] });
    expect(versions(site, 'ccai-archive-keyring')).toEqual(['2', '1']);
    expect(readFileSync(join(site, 'ccai-archive-keyring.deb'))).not.toEqual(first);
    const listed = execFileSync('dpkg-deb', ['-c', join(site, 'ccai-archive-keyring.deb')], { encoding: 'utf8' });
    expect(listed).toContain('./usr/share/keyrings/ccai-archive-keyring.gpg');
  });

  test('no secret is in the site', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const secret = privateKey.split('\n').slice(2, 6);
    for (const name of readdirSync(site, { recursive: true, encoding: 'utf8' })) {
      if (!statSync(join(site, name)).isFile()) continue;
      const text = readFileSync(join(site, name), 'latin1');
      expect(text).not.toContain('PRIVATE KEY');
      for (const line of secret) expect(text).not.toContain(line.trim());
    }
  });
});

describe('assets of releases', () => {
  const assetsAt = (folder: string, tag = 'v1') => ({
    baseUrl: 'https://acme.github.io/ccai',
    assets: { url: `https://github.com/acme/ccai/releases/download/${tag}`, folder },
  });

  test('what is no asset is refused before anything is read', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    const large = join(debs, 'large.deb');
    writeFileSync(large, '');
    truncateSync(large, 2 * 1024 ** 3);
    const { progress, read } = watching();
    const failure = await failureOf(publishTo(site, debs, { ...assetsAt(newFolder('assets')), progress }));
    expect(failure.because).toMatch(/^it has 2147483648 bytes, and an asset .* has less than 2147483648$/);
    expect(read).toEqual([]);
  });

  test('names are those that GitHub gives, and one name is one package', async () => {
    const { site, debs } = world();
    const folder = newFolder('assets');
    await put(debs, '1:1.0~rc.1+5');
    const { added } = await publishTo(site, debs, assetsAt(folder));
    expect(added.map(({ filename }) => filename)).toContain('v1/hello_1.1.0.rc.1+5_all.deb');
    expect(readdirSync(folder).toSorted()).toEqual(['ccai-archive-keyring_1_all.deb', 'hello_1.1.0.rc.1+5_all.deb']);
    expect(readFileSync(join(site, 'mirrors.txt'), 'utf8')).toBe(
      'https://acme.github.io/ccai/\ttype:index\nhttps://github.com/acme/ccai/releases/download/\ttype:deb\n',
    );
    expect(readFileSync(join(site, 'ccai.sources'), 'utf8')).toContain(
      'URIs: mirror+https://acme.github.io/ccai/mirrors.txt\n',
    );
    const same = newFolder('same');
    await put(same, '1.1.0~rc.1+5');
    expect((await failureOf(publishTo(site, same, assetsAt(folder)))).because).toMatch(
      /which is that of hello 1:1\.0~rc/,
    );
    // A later release keeps what is in the earlier one.
    await publishTo(site, same, assetsAt(folder, 'v2'));
    expect(readArchive(site).map(({ Filename }) => Filename)).toContain('v2/hello_1.1.0.rc.1+5_all.deb');
  });

  test('a site does not change between a pool and assets', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const folder = newFolder('assets');
    expect((await failureOf(publishTo(site, debs, assetsAt(folder)))).because).toBe('its packages are in its own pool');
    const second = newFolder('site');
    await publishTo(second, debs, assetsAt(folder));
    expect((await failureOf(publishTo(second, debs))).because).toBe('its packages are release assets');
    const elsewhere = { assets: { url: 'https://github.com/acme/other/releases/download/v1', folder } };
    expect((await failureOf(publishTo(second, debs, elsewhere))).because).toMatch(/its packages are assets at/);
    const nowhere = { assets: assetsAt(folder).assets };
    expect((await failureOf(publishTo(newFolder('site'), debs, nowhere))).fix).toMatch(/--base-url/);
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

describe('several and interrupted publishers', () => {
  const program = [process.execPath, resolve(import.meta.dirname, '../../src/cli/main.ts')];
  const start = (folder: string, ...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: folder, IMGBUILD_SIGNING_KEY: privateKey };
    const child = spawn(program[0]!, [program[1]!, '-C', folder, 'apt', 'publish', ...args], { env, stdio: 'pipe' });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<{ code: number | null; output: string }>((done) =>
      child.on('close', (code) => done({ code, output })),
    );
    return { child, ended };
  };

  test('two processes at once publish what both have', async () => {
    const { site } = world();
    const names = ['a', 'b', 'c', 'd'];
    const folders = await Promise.all(
      names.map(async (name) => {
        const folder = newFolder('debs');
        await put(folder, '1.0', `hello-${name}`);
        return folder;
      }),
    );
    const ended = await Promise.all(folders.map((folder) => start(folder, folder, '-o', site, '--name', 'ccai').ended));
    for (const { code, output } of ended) expect(code, output).toBe(0);
    expect(
      readArchive(site)
        .map((each) => each.Package)
        .toSorted(),
    ).toEqual(['ccai-archive-keyring', ...names.map((name) => `hello-${name}`)]);
  });

  test('a kill at any moment leaves the old archive or the new one, and the next run finishes', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    for (let minor = 1; minor <= 12; minor++) await put(debs, `1.${minor}`);
    const copy = join(newFolder('copies'), 'site');
    const args = [debs, '-o', copy];
    cpSync(site, copy, { recursive: true, preserveTimestamps: true });
    const began = Date.now();
    expect((await start(debs, ...args).ended).code).toBe(0);
    const whole = Date.now() - began;
    const seen = new Set<number>();
    for (let turn = 0; turn < 16; turn++) {
      rmSync(copy, { recursive: true });
      cpSync(site, copy, { recursive: true, preserveTimestamps: true });
      const { child, ended } = start(debs, ...args);
      // Most of the first half is the program's own start.
      const timer = setTimeout(() => child.kill('SIGKILL'), whole * (0.3 + (0.75 * turn) / 15));
      await ended;
      clearTimeout(timer);
      const count = readArchive(copy).length;
      expect([2, 14]).toContain(count);
      seen.add(count);
    }
    expect(seen.has(2)).toBe(true);
    const { code, output } = await start(debs, ...args).ended;
    expect(code, output).toBe(0);
    expect(readArchive(copy)).toHaveLength(14);
    expect(existsSync(join(copy, '.imgbuild/incoming'))).toBe(false);
  }, 120_000);

  test('stopped by an abort, it publishes nothing', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    await put(debs, '1.1');
    const stop = new AbortController();
    const progress: Progress = {
      ...silent,
      transfer: (label) => ({ add: () => label.includes('1.1') && stop.abort(new Error('stopped')), end() {} }),
    };
    mkdirSync(join(debs, 'sub'));
    await put(join(debs, 'sub'), '1.2');
    await expect(publishTo(site, debs, { progress, signal: stop.signal })).rejects.toThrow('stopped');
    expect(versions(site)).toEqual(['1.0']);
    await publishTo(site, debs);
    expect(versions(site)).toEqual(['1.2', '1.1', '1.0']);
  });
});
