import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../../src/deb/check.ts';
import type { Config } from '../../../src/config/config.ts';
import { modelsFolder, monitorFolder } from '../support/debian-folder.ts';
import { deb, parseProject } from '../support/project.ts';
import { changed, failuresOf, names, prefix, project } from '../support/debian-project.ts';

describe('packages that #Package: comments out', () => {
  test('are off, and their files are still theirs', async () => {
    const { planned, off } = await checkDebs(project(modelsFolder));
    expect(names(planned)).toEqual(['ocr', 'tts']);
    expect(off.map(({ name, why, version }) => [name.replace(prefix, ''), why, version])).toEqual([
      ['lspeech-s5-ext', 'control', '1.0-210201'],
      ['deeplab', 'control', '1.0-210201'],
    ]);
  });

  test('are put on by the configuration, others off', async () => {
    const config = project(modelsFolder, { on: [`${prefix}deeplab`], off: [`${prefix}tts`] });
    const { planned, off } = await checkDebs(config);
    expect(names(planned)).toEqual(['ocr', 'deeplab']);
    expect(off.map(({ why }) => why)).toEqual(['configuration', 'control']);
    expect(planned[1]!.control).toContain('Description: segmentation\n of pictures\n');
  });

  test('are put on by the call, for all that the configuration says', async () => {
    const config = project(modelsFolder, { off: [`${prefix}tts`] });
    const choice = { on: [`${prefix}tts`, `${prefix}lspeech-s5-ext`], off: [`${prefix}ocr`] };
    expect(names((await checkDebs(config, undefined, { choice })).planned)).toEqual(['tts', 'lspeech-s5-ext']);
    const all = await checkDebs(config, undefined, { choice: { on: ['models'], off: [`${prefix}tts`] } });
    expect(names(all.planned)).toEqual(['ocr', 'lspeech-s5-ext', 'deeplab']);
    const none = await checkDebs(config, undefined, { choice: { on: [], off: ['models'] } });
    expect(none.planned).toEqual([]);
  });

  test.each([
    [{ on: [`${prefix}deeplap`] }, `package models: package/models/debian/control has no package ${prefix}deeplap`],
    [{ off: ['x'] }, 'package models: package/models/debian/control has no package x'],
  ])('are named rightly in %j', async (entry, because) => {
    const [failure] = await failuresOf(project(modelsFolder, entry));
    expect(failure).toMatchObject({ because, kind: 'input' });
    expect(failure!.at!.file).toContain('imgbuild.yaml');
  });

  test('are not packed by name unless they are put on', async () => {
    await expect(checkDebs(project(modelsFolder), [`${prefix}deeplab`])).rejects.toMatchObject({
      because: 'it is off (it is commented out in control)',
      fix: `add --on ${prefix}deeplab`,
    });
    await expect(
      checkDebs(project(modelsFolder), undefined, { choice: { on: ['ocrs'], off: [] } }),
    ).rejects.toMatchObject({ doing: 'choosing ocrs' });
    const both = { on: [`${prefix}ocr`], off: [`${prefix}ocr`] };
    await expect(checkDebs(project(modelsFolder), undefined, { choice: both })).rejects.toMatchObject({
      because: 'it cannot be on and off',
    });
  });

  test('are needed by none that is on', async () => {
    const needing = changed('control', 'Depends: service-runtime, ', `Depends: ${prefix}deeplab | ${prefix}tts, `);
    expect(await failuresOf(needing)).toEqual([]);
    const alone = changed('control', 'Depends: service-runtime, ', `Depends: service-runtime, ${prefix}deeplab, `);
    const [failure] = await failuresOf(alone);
    expect(failure).toMatchObject({
      because: `${prefix}ocr depends on ${prefix}deeplab, which is off`,
      fix: expect.stringContaining(`--on ${prefix}deeplab`),
      at: expect.objectContaining({ file: 'package/models/debian/control', line: 10 }),
    });
  });
});

describe('imgbuild debs --list', () => {
  const main = resolve(import.meta.dirname, '../../../src/cli/main.ts');
  const imgbuild = (config: Config, ...args: string[]) =>
    spawnSync(process.execPath, [main, '-C', config.root, 'debs', ...args], {
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    });

  test('shows what is on, what is off, and why', () => {
    const config = project(modelsFolder);
    const { stdout, status } = imgbuild(config, '--list', '--off', `${prefix}tts`);
    expect(stdout.replaceAll(prefix, '').split('\n')).toEqual([
      expect.stringMatching(/^on {3}ocr 1\.0-210201 all: 6 files, /),
      '     pack: never built',
      'off  tts 1.0-210201: --off',
      'off  lspeech-s5-ext 1.0-210201: commented out in debian/control',
      'off  deeplab 1.0-210201: commented out in debian/control',
      '',
    ]);
    expect(status).toBe(0);
    const { packages } = JSON.parse(imgbuild(config, '--list', '--json').stdout) as { packages: object[] };
    expect(packages).toHaveLength(4);
    expect(packages[3]).toEqual({ name: `${prefix}deeplab`, state: 'off', why: 'control', version: '1.0-210201' });
  });

  test('--check fails for a file that is in no package, and writes nothing', () => {
    const config = project({ ...modelsFolder, 'package/models/models/ocr/weights.xbin': 'forgotten' });
    const { stderr, status } = imgbuild(config, '--check');
    expect(status).toBe(2);
    expect(stderr).toContain('package/models/models/ocr/weights.xbin is in no package');
    expect(stderr).toContain(
      `next: the nearest pattern is package/models/models/ocr/weights.bin of ${prefix}ocr; pack the file, or write it to ignore:`,
    );
    expect(stderr).toContain(`package/models/debian/${prefix}ocr.install:3:`);
  });
});

describe('a debian/ folder is refused at its place', () => {
  test.each<[string, Config | (() => Config), string, string, number]>([
    [
      'a line without a field',
      () => changed('control', 'Section: misc', 'Section misc'),
      'this is no field',
      'control',
      2,
    ],
    [
      'a field twice',
      () => changed('control', 'Section: misc', 'Section: misc\nSection: doc'),
      'the field Section stands in this paragraph twice',
      'control',
      3,
    ],
    [
      'no source',
      () => changed('control', 'Source: service-runtime-models\n', ''),
      'there is no paragraph with Source:',
      'control',
      1,
    ],
    [
      'a package twice',
      () => changed('control', `Package: ${prefix}tts`, `Package: ${prefix}ocr`),
      `${prefix}ocr stands here twice`,
      'control',
      14,
    ],
    [
      'a relation that is none',
      () => changed('control', 'Depends: service-runtime, ', 'Depends: service-runtime (> 1), '),
      expect.stringMatching(/^Depends: .*write <</) as unknown as string,
      'control',
      10,
    ],
    [
      'a variable that nobody knows',
      () => changed('control', 'Depends: service-runtime, ', 'Depends: ${models:Depends}, '),
      'Depends: ${models:Depends} is no variable that is known here',
      'control',
      10,
    ],
    [
      'a field that a variable would end',
      () => changed('control', 'Section: misc', 'Section: misc${Newline}Essential: yes'),
      'Section: it is not a section, as in misc',
      'control',
      2,
    ],
    [
      'a relation that a variable would end',
      () => changed('control', 'Depends: service-runtime, ', 'Depends: service-runtime${Newline}Essential: yes, '),
      expect.stringContaining('is not a package') as unknown as string,
      'control',
      10,
    ],
    [
      'a source of two lines',
      () => changed('control', 'Source: service-runtime-models', 'Source: service-runtime-models\n Essential: yes'),
      expect.stringContaining('is no package name') as unknown as string,
      'control',
      1,
    ],
    [
      'a package of two lines',
      () => changed('control', `Package: ${prefix}ocr`, `Package: ${prefix}ocr\n Essential: yes`),
      expect.stringContaining('is no package name') as unknown as string,
      'control',
      8,
    ],
    [
      'a changelog without a version',
      () => changed('changelog', '(1.0-210201)', ''),
      'this does not begin an entry of a changelog',
      'changelog',
      1,
    ],
    [
      'a version that dpkg does not take',
      () => changed('changelog', '1.0-210201', 'v1.0'),
      "v1.0 is not a version of Debian's",
      'changelog',
      1,
    ],
    [
      'a pattern that matches nothing',
      () => changed(`${prefix}ocr.install`, 'ocr/*.xml', 'ocr/*.xmll'),
      'no file matches package/models/models/ocr/*.xmll',
      `${prefix}ocr.install`,
      2,
    ],
    [
      'a path that leaves the folder',
      () => changed(`${prefix}ocr.install`, 'models/ocr/*.xml', '../../../etc/passwd'),
      expect.anything() as unknown as string,
      `${prefix}ocr.install`,
      2,
    ],
    [
      'the form of dh-exec',
      () => changed(`${prefix}tts.install`, 'models/tts opt', 'models/tts => opt'),
      '=> is for dh-exec',
      `${prefix}tts.install`,
      1,
    ],
  ])('%s', async (_, config, because, file, line) => {
    const failures = await failuresOf(typeof config === 'function' ? config() : config);
    expect(failures[0]).toMatchObject({
      because,
      kind: 'input',
      at: expect.objectContaining({ file: `package/models/debian/${file}`, line }),
    });
  });

  test('that is not there, or not whole', async () => {
    expect(await failuresOf(project({}))).toMatchObject([
      { because: 'package models: there is no folder package/models/debian' },
    ]);
    const config = project(modelsFolder);
    rmSync(join(config.root, 'package/models/debian/changelog'));
    expect(await failuresOf(config)).toMatchObject([
      { because: 'package models: there is no package/models/debian/changelog' },
    ]);
  });

  test('that declares a package that imgbuild.yaml declares, too', async () => {
    const config = project(modelsFolder);
    const twice = parseProject(config.root, { [`${prefix}ocr`]: deb({}), models: { from: 'package/models/debian' } });
    expect((await failuresOf(twice))[0]!.because).toContain(
      `the package ${prefix}ocr is declared twice: by debs.${prefix}ocr and by debs.models`,
    );
  });
});

describe('the version', () => {
  test('of a folder is its changelog’s, or what version: says', async () => {
    const { planned } = await checkDebs(project(modelsFolder, { version: '2:${version}-1' }), undefined, {
      version: 'v1.2.0-rc.1',
    });
    expect(planned[1]).toMatchObject({
      version: '2:1.2.0~rc.1-1',
      fileName: `${prefix}tts_1.2.0~rc.1-1_all.deb`,
      control: expect.stringContaining('Depends: service-runtime (>= 2:1.2.0~rc.1-1)\n'),
    });
  });
});

test('a description cannot begin another field', async () => {
  const config = changed(
    'control',
    'Description: service-runtime-models',
    'Description: models${Newline}Essential: yes',
  );
  const { control } = (await checkDebs(config)).planned[0]!;
  expect(control).toContain('Description: models\n Essential: yes\n');
});

test('what dpkg-gencontrol would write is in the package: lists for one architecture, pages, conffiles', async () => {
  const config = project(monitorFolder, { ignore: ['docker'] }, 'debian');
  const { planned } = await checkDebs(config);
  const [monitor] = planned;
  expect(monitor!.control.match(/^Depends: .*$/m)![0]).toBe(
    'Depends: systemd | systemd-standalone-sysusers | systemd-sysusers, adduser, curl (>= 7) | wget, jq',
  );
  expect(monitor!.conffiles).toEqual([
    '/etc/default/health-monitor',
    '/etc/logrotate.d/health-monitor',
    '/etc/monitor/monitor.conf',
  ]);
  expect(readFileSync(join(config.root, 'debian/health-monitor.postinst'), 'utf8')).toContain('#DEBHELPER#');
  expect(monitor!.scripts.postinst).not.toContain('#DEBHELPER#');
});
