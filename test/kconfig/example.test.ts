import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { assign } from '../../src/kconfig/assign.ts';
import { openOptions, readValues } from '../../src/kconfig/open.ts';
import { configText } from '../../src/kconfig/write-config.ts';
import { layersByOption } from '../../src/project/options.ts';
import { openProject } from '../../src/project/open.ts';
import { chain, git, outcomes, saveAll } from '../plan/saved-project.ts';

const example = path.resolve(import.meta.dirname, '../../examples/options');

test('examples/options: each option reaches its layers, and the others are reused', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-options-'));
  cpSync(example, folder, { recursive: true });
  const yaml = path.join(folder, 'imgbuild.yaml');
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace(/bases:\n.*\n/, ''));
  writeFileSync(path.join(folder, 'imgbuild.lock'), chain['imgbuild.lock']!.replace('debian:12', 'busybox:1'));
  git(folder, 'init', '-q', '-b', 'main');
  const { config } = await openProject({ directory: folder });
  const options = openOptions({ root: folder, kconfig: 'Kconfig', config: '.config' }, config.locate(['options']));
  expect(options.problems).toEqual([]);
  expect(await layersByOption(config)).toEqual(
    new Map([
      ['TENSORFLOW', ['engine']],
      ['FAST_KERNELS', ['engine']],
      ['WORKERS', ['service']],
      ['GPU', ['service']],
      ['GREETING', ['service']],
    ]),
  );
  const { configuration } = readValues(options, 'defconfig');
  const set = (...assignments: string[]) =>
    writeFileSync(path.join(folder, '.config'), configText(assign(configuration, assignments)));
  set();
  await saveAll(folder);
  set('GPU=y');
  expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service build: arg-changed CONFIG_GPU']);
  set('TENSORFLOW=y');
  expect(await outcomes(folder)).toEqual([
    'base reuse',
    expect.stringMatching(/^engine build: arg-changed CONFIG_TENSORFLOW, arg-changed CONFIG_FAST_KERNELS$/),
    'service build: parent-changed engine',
  ]);
  set('WORKERS=8');
  expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service reuse']);
});
