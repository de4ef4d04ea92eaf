import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { examine } from '../../../src/build/examine.ts';
import { checkDebs } from '../../../src/deb/check.ts';
import type { Config } from '../../../src/config/config.ts';
import { neededPrograms } from '../../../src/project/needed-programs.ts';
import { Failure, Failures } from '../../../src/failure.ts';
import { leftFolder } from '../../support/left-folder.ts';
import { pack } from '../support/pack.ts';
import { modelsFolder, monitorFolder, writeFiles } from '../support/debian-folder.ts';
import { deb, makeProject, parseProject } from '../support/project.ts';

const prefix = 'service-runtime-models-';
const names = (all: readonly { name: string }[]) => all.map(({ name }) => name.replace(prefix, ''));

function project(files: Record<string, string>, entry: object = {}, from = 'package/models/debian'): Config {
  const config = makeProject({ models: { from, ...entry } });
  writeFiles(config.root, { 'docker/service/Dockerfile': 'FROM scratch\n', ...files });
  return config;
}

const failuresOf = async (config: Config): Promise<Failure[]> => {
  const error = await checkDebs(config).catch((caught: unknown) => caught);
  return error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : [];
};

/** The folder of models with another text in one of its files. */
const changed = (file: string, from: string | RegExp, to: string, entry: object = {}) => {
  const path = `package/models/debian/${file}`;
  const text = modelsFolder[path]!.replace(from, to);
  expect(text).not.toBe(modelsFolder[path]);
  return project({ ...modelsFolder, [path]: text }, entry);
};

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

describe('debian/rules', () => {
  const withRules = (rules: string, more: Record<string, string> = {}) =>
    project({ ...modelsFolder, 'package/models/debian/rules': `#!/usr/bin/make -f\n${rules}`, ...more });
  const plain = '%:\n\tdh $@\n';
  const withoutPrograms = (config: Config) => {
    const { PATH } = process.env;
    const empty = join(config.root, '.none');
    mkdirSync(empty);
    process.env.PATH = empty;
    return () => (process.env.PATH = PATH);
  };

  test.each([
    [plain],
    [`${plain}override_dh_builddeb:\n\tdh_builddeb -- -Zxz\n`],
    [`export A=1\ninclude /usr/share/dpkg/default.mk\n${plain}.PHONY: x\noverride_dh_strip:\noverride_dh_shlibdeps:\n`],
  ])('that builds nothing is left to imgbuild: %j', async (rules) => {
    expect((await checkDebs(withRules(rules))).built).toEqual([]);
  });

  test.each([
    [`${plain}override_dh_auto_build:\n\tpython3 convert.py\n`, 'package/models/debian/rules:5: \tpython3 convert.py'],
    ['build:\n\tmake\n', 'package/models/debian/rules:2: build:'],
    ['%:\n\tdh $@ --with=python3\n', 'package/models/debian/rules:3: dh $@ --with=python3'],
    [`${plain}execute_after_dh_install:\n\trm -r debian/x\n`, 'package/models/debian/rules:5: rm -r debian/x'],
    [`${plain}ifdef X\nendif\n`, 'package/models/debian/rules:4: ifdef X'],
  ])('that builds something is left to dpkg-buildpackage: %j', async (rules, reason) => {
    const { built, planned } = await checkDebs(withRules(rules));
    expect(planned).toEqual([]);
    expect(names(built[0]!.drafts)).toEqual(['ocr', 'tts']);
    expect(built[0]!.reasons.map((each) => each.replaceAll(/\s+/g, ' '))).toContain(reason.replaceAll(/\s+/g, ' '));
  });

  test.each([
    ['package/models/Makefile', 'package/models/Makefile is there'],
    [
      `package/models/debian/${prefix}ocr.udev`,
      `package/models/debian/${prefix}ocr.udev is for a part of debhelper that imgbuild does not stand in for`,
    ],
  ])('that %s makes build something', async (file, reason) => {
    const { built } = await checkDebs(withRules(plain, { [file]: '' }));
    expect(built[0]!.reasons).toEqual([reason]);
  });

  test('that builds something without dpkg-buildpackage installed is an error that says what to install', async () => {
    const config = withRules(`${plain}override_dh_auto_build:\n\tpython3 convert.py\n`);
    const restore = withoutPrograms(config);
    try {
      await expect(pack(config)).rejects.toMatchObject({
        because: expect.stringMatching(/rules:5: .*python3 convert\.py.*dpkg-buildpackage is not installed/s),
        fix: 'install it: apt-get install dpkg-dev debhelper',
      });
    } finally {
      restore();
    }
  });

  test('that builds something is what doctor names dpkg-buildpackage for', async () => {
    expect(await neededPrograms(withRules(plain), {})).toEqual([]);
    const config = withRules(`${plain}override_dh_auto_build:\n\tpython3 convert.py\n`);
    const needed = await neededPrograms(config, {});
    expect(needed.map(({ name }) => name)).toEqual(['dpkg-buildpackage']);
    const env = { PATH: '/nowhere' };
    const { signal } = new AbortController();
    const findings = await examine({ config, directory: config.root, env, needed, signal });
    expect(findings).toContainEqual({
      level: 'error',
      subject: 'program',
      text: 'dpkg-buildpackage is missing: it builds the packages of package/models/debian',
      fix: 'apt-get install dpkg-dev debhelper',
    });
  });

  test('that builds something is built without the secrets of the environment', async () => {
    const config = withRules(`${plain}override_dh_auto_build:\n\tpython3 convert.py\n`);
    const { PATH } = process.env;
    const programs = join(config.root, '.programs');
    mkdirSync(programs);
    const seen = join(config.root, '.seen');
    writeFileSync(join(programs, 'dpkg-buildpackage'), `#!/bin/sh\nenv > ${seen}\n[ "$1" = --version ]\n`, {
      mode: 0o755,
    });
    process.env.PATH = `${programs}:${PATH}`;
    try {
      const secrets = { GITHUB_TOKEN: 'x', IMGBUILD_SIGNING_KEY: 'x', AWS_SECRET_ACCESS_KEY: 'x', NPM_TOKEN: 'x' };
      const env = {
        PATH: process.env.PATH,
        DEB_BUILD_OPTIONS: 'nocheck',
        LC_ALL: 'C.UTF-8',
        CFLAGS: '-O2',
        ...secrets,
      };
      const builds = join(config.root, '.imgbuild/debian');
      mkdirSync(join(builds, leftFolder(builds, 'build-'), 'source'));
      await expect(pack(config, { env })).rejects.toThrow('exits with 1');
      expect(readdirSync(builds), 'what a killed build left is gone, too').toEqual([]);
      const variables = readFileSync(seen, 'utf8')
        .split('\n')
        .map((line) => line.split('=')[0]!);
      expect(variables).toEqual(
        expect.arrayContaining(['PATH', 'DEB_BUILD_OPTIONS', 'LC_ALL', 'CFLAGS', 'SOURCE_DATE_EPOCH']),
      );
      expect(variables.filter((name) => name in secrets)).toEqual([]);
    } finally {
      process.env.PATH = PATH;
    }
  });

  test('with a chmod that matches nothing is an error at its line', async () => {
    const config = project(
      {
        ...monitorFolder,
        'debian/rules': `${plain}override_dh_fixperms:\n\tdh_fixperms\n\tchmod 0700 debian/health-monitor/usr/bin/none\n`,
      },
      { ignore: ['imgbuild.yaml', 'docker'] },
      'debian',
    );
    expect(await failuresOf(config)).toMatchObject([
      {
        because: 'no path of health-monitor matches usr/bin/none',
        at: { file: 'debian/rules', line: 5, column: 13 },
      },
    ]);
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
