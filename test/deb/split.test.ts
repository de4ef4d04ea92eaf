import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../src/deb/check.ts';
import { planDebs } from '../../src/deb/pack-debs.ts';
import { pack, packOne } from './support/pack.ts';
import { deb, makeProject, parseProject } from './support/project.ts';

const field = (control: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(control)?.[1];

/** A file of that many bytes of which nearly none take room on the disk. */
function sparse(path: string, size: number): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  writeSync(file, 'end', size - 3);
  closeSync(file);
}

const files = Object.fromEntries(
  ['a', 'b', 'c', 'd', 'e'].map((name) => [`m/${name}.bin`, Buffer.alloc(600_000, name)]),
);
const models = (more: object = {}) =>
  deb({ split: '1.3MB', depends: ['ccai'], contents: [{ src: 'm', dst: '/opt/m' }], ...more });

describe('split', () => {
  test('makes parts that depend on each other in the exact version', async () => {
    const { planned } = await checkDebs(makeProject({ models: models() }, files), undefined, { version: '1.2.0' });
    expect(planned.map(({ name, of }) => [name, of])).toEqual([
      ['models', 'models'],
      ['models-part2', 'models'],
      ['models-part3', 'models'],
    ]);
    const [first, second] = planned;
    expect(field(first!.control, 'Depends')).toBe('ccai, models-part2 (= 1.2.0), models-part3 (= 1.2.0)');
    expect(field(second!.control, 'Depends')).toBe('models (= 1.2.0)');
    expect(field(second!.control, 'Replaces')).toMatch(/^models, models-part3, models-part4, .*models-part11$/);
    expect(field(second!.control, 'Description')).toBe('example files (part 2 of 3)');
    const packed = planned.flatMap(({ entries }) => entries.filter(({ path }) => path.endsWith('.bin')));
    expect(packed.map(({ path }) => path)).toEqual(Object.keys(files).map((path) => `opt/${path}`));
  });

  test('leaves alone what is small enough', async () => {
    const { planned } = await checkDebs(makeProject({ models: models({ split: '10MB' }) }, files));
    expect(planned.map(({ name }) => name)).toEqual(['models']);
  });

  test('keeps scripts, units and links in the first, and folders with owners in all', async () => {
    const contents = [
      { type: 'dir', dst: '/opt/m', mode: '0750', owner: 'ccai' },
      { src: 'm/*', dst: '/opt/m', owner: 'ccai' },
      { type: 'symlink', src: 'm', dst: '/opt/current' },
      { type: 'config', src: 'conf', dst: '/opt/zz.conf' },
    ];
    const config = makeProject({ models: models({ contents }) }, { ...files, conf: 'c' });
    const [first, second, third] = (await checkDebs(config)).planned;
    expect(first!.scripts.postinst).toContain('/opt/m/e.bin');
    expect(second!.scripts).toEqual({});
    const folder = { type: 'directory', path: 'opt/m', mode: 0o750, owner: { user: 'ccai', group: 'root' } };
    for (const part of [first, second, third]) expect(part!.entries).toContainEqual(folder);
    expect(first!.entries.some(({ path }) => path === 'opt/current')).toBe(true);
    expect([first, second, third].map((part) => part!.conffiles)).toEqual([[], [], ['/opt/zz.conf']]);
  });

  test('is refused where a part has the name of another package', async () => {
    const config = makeProject({ models: models(), 'models-part2': deb({}) }, files);
    await expect(checkDebs(config)).rejects.toMatchObject({
      because: 'package models-part2: a part of models is called models-part2, too',
    });
  });

  test('of a 12 GB file, sparse, gives that file a part of its own, in flat memory', async () => {
    const config = makeProject({ models: models({ split: '4GB' }) }, { 'm/a.bin': 'a', 'm/z.bin': 'z' });
    sparse(join(config.root, 'm/big.bin'), 12_000_000_000);
    const planned = await planDebs({ config, version: '1.0.0', images: [] });
    expect(planned.map(({ name, compression }) => [name, compression])).toEqual([
      ['models', 'gzip'],
      ['models-part2', 'strong-zstd'],
      ['models-part3', 'gzip'],
    ]);
    expect(planned[1]!.warnings).toEqual(['models-part2: /opt/m/big.bin alone is larger than split:']);
    const raw = parseProject(config.root, { models: models({ split: '4GB', compression: 'none' }) });
    await expect(checkDebs(raw)).rejects.toMatchObject({
      because: expect.stringMatching(/the data of models-part2 take 12000\d+ bytes, and the format ends at 9999999999/),
      fix: expect.stringContaining('split: 4GB'),
    });
    rmSync(join(config.root, 'm/big.bin'));
  });

  test('of a sparse file of 300 MB is unpacked as it was', async () => {
    const config = makeProject({ models: models({ split: '100MB' }) }, { 'm/a.bin': 'a' });
    sparse(join(config.root, 'm/big.bin'), 300_000_000);
    const packed = await pack(config);
    expect(packed.map(({ file }) => basename(file))).toEqual(['models_1.2.0_all.deb', 'models-part2_1.2.0_all.deb']);
    const compare = 'dpkg-deb --fsys-tarfile "$1" | tar -xO ./opt/m/big.bin | cmp - "$2"';
    execFileSync('sh', ['-c', compare, 'sh', packed[1]!.file, join(config.root, 'm/big.bin')]);
  }, 60_000);
});

describe('suites', () => {
  const text = Buffer.from('all work and no play\n'.repeat(300_000));
  test.each([
    [['bookworm', 'ubuntu:20.04'], 'data.tar.zst'],
    [['debian:12', 'debian:11'], 'data.tar.xz'],
  ])('%j make auto choose %s', async (suites, member) => {
    const entry = deb({ suites, contents: [{ src: 'text', dst: '/opt/' }] });
    const { file } = await packOne(makeProject({ 'ccai-text': entry }, { text }));
    expect(execFileSync('ar', ['t', file], { encoding: 'utf8' }).trim().split('\n')[2]).toBe(member);
  });

  test('that are not known, or lack the compression that is written, are refused', () => {
    expect(() => makeProject({ x1: deb({ suites: ['bookwurm'] }) })).toThrow(/no release of Debian or Ubuntu/);
    expect(() => makeProject({ x1: deb({ suites: ['bullseye'], compression: 'zstd' }) })).toThrow(/lacks zstd/);
  });
});
