import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { examine } from '../../../src/build/examine.ts';
import { checkDebs } from '../../../src/deb/check.ts';
import type { Config } from '../../../src/config/config.ts';
import { neededPrograms } from '../../../src/project/needed-programs.ts';
import { leftFolder } from '../../support/left-folder.ts';
import { pack } from '../support/pack.ts';
import { modelsFolder, monitorFolder } from '../support/debian-folder.ts';
import { failuresOf, names, prefix, project } from '../support/debian-project.ts';

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
