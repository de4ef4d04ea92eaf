import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failureOf, newFolder, put, watching, world } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';
import { readArchive } from './support/read-archive.ts';
import { publishTo } from './support/signed-archive.ts';

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
    // Signed anew, yes; but where would what is new be?
    expect((await publishTo(second, debs)).changed).toBe(false);
    const more = newFolder('more');
    await put(more, '1.1');
    expect((await failureOf(publishTo(second, more))).fix).toMatch(/say with --assets-url/);
    expect(existsSync(join(second, 'pool'))).toBe(false);
    const elsewhere = { assets: { url: 'https://github.com/acme/other/releases/download/v1', folder } };
    expect((await failureOf(publishTo(second, debs, elsewhere))).because).toMatch(/its packages are assets at/);
    const nowhere = { assets: assetsAt(folder).assets };
    expect((await failureOf(publishTo(newFolder('site'), debs, nowhere))).fix).toMatch(/--base-url/);
  });

  test('what a stopped run has not put beside the others is put there by the next', async () => {
    const { site, debs } = world();
    const folder = newFolder('assets');
    await put(debs, '1.0');
    await publishTo(site, debs, assetsAt(folder));
    const names = readdirSync(folder);
    writeFileSync(join(folder, '.hello_1.0_all.deb.1-ab.partial'), 'half');
    for (const name of names) rmSync(join(folder, name));
    const again = await publishTo(site, debs, assetsAt(folder));
    expect(again).toMatchObject({ changed: false, added: [] });
    expect(readdirSync(folder)).toEqual(names);
    // Assets of an earlier release are where they were uploaded to.
    const later = newFolder('later');
    await publishTo(site, debs, assetsAt(later, 'v2'));
    expect(readdirSync(later)).toEqual([]);
  });

  test('what has a name and version in one suite is the same in another, in whatever release', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs, assetsAt(newFolder('assets')));
    const changed = newFolder('changed');
    await makeDeb(changed, { name: 'hello', version: '1.0', files: { 'usr/share/hello/version': 'other\n' } });
    const beta = { suite: 'beta', ...assetsAt(newFolder('assets'), 'v2') };
    expect((await failureOf(publishTo(site, changed, beta))).because).toBe(
      'hello 1.0 for all is published with other contents',
    );
    await publishTo(site, debs, beta);
  });

  test('an asset is the package, byte by byte', async () => {
    const { site, debs } = world();
    const folder = newFolder('assets');
    const file = await put(debs, '1.0~rc.1');
    await publishTo(site, debs, assetsAt(folder));
    const [listed] = readArchive(site).filter(({ Package }) => Package === 'hello');
    const bytes = readFileSync(join(folder, 'hello_1.0.rc.1_all.deb'));
    expect(bytes).toEqual(readFileSync(file));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(listed!.SHA256);
  });
});
