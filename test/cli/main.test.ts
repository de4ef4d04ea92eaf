import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { chain, newRepository, saveAll, writeTree } from '../plan/saved-project.ts';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
function imgbuild(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, stdout, stderr };
}
const empty = () => mkdtempSync(path.join(tmpdir(), 'imgbuild-cli-'));

describe('exit codes and messages', () => {
  test('no configuration: 2, and what writes one', () => {
    const { status, stdout, stderr } = imgbuild('-C', empty(), 'plan');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/imgbuild init/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('a wrong key: 2, with file:line:column, the line and a caret', () => {
    const folder = empty();
    writeTree(folder, { ...chain, 'imgbuild.yaml': 'version: 1\nname: a\nlayres:\n  base: {}\n' });
    const { status, stderr } = imgbuild('-C', folder, 'plan');
    expect(status).toBe(2);
    expect(stderr).toMatch(/imgbuild\.yaml:3:1: error: /);
    expect(stderr).toMatch(/3 \| layres:\n\s+\| \^{6}/);
    expect(stderr).toMatch(/layers/);
  });

  test('an unknown command: 2, with the nearest one', () => {
    const { status, stderr } = imgbuild('plna');
    expect(status).toBe(2);
    expect(stderr).toMatch(/plan/);
  });

  test('an unknown layer: 2', () => {
    // Nothing else is looked up for it: this base is nowhere.
    const folder = newRepository({
      ...chain,
      'imgbuild.lock': '',
      'docker/base/Dockerfile': 'FROM localhost:1/none\n',
    });
    for (const args of [
      ['plan', 'servcie'],
      ['build', 'servcie'],
      ['push', 'servcie', '--tag', 'a'],
    ]) {
      const { status, stderr } = imgbuild('-C', folder, ...args);
      expect(status).toBe(2);
      expect(stderr).toMatch(/next: did you mean service\?/);
    }
  });

  test('a circle of layers: 2, shown', () => {
    const folder = newRepository({
      ...chain,
      'docker/base/Dockerfile': 'FROM service_runtime\nRUN x\n',
    });
    const { status, stderr } = imgbuild('-C', folder, 'plan');
    expect(status).toBe(2);
    expect(stderr).toMatch(/base → service → engine → base/);
  });

  test('help and version are no errors', () => {
    expect(imgbuild('--help')).toMatchObject({ status: 0, stderr: '' });
    expect(imgbuild('--version').stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('plan', () => {
  test('is a tree with a line a layer', async () => {
    const folder = newRepository();
    await saveAll(folder);
    writeTree(folder, { 'docker/service/app.py': 'print("bye")\n' });
    const { status, stdout } = imgbuild('-C', folder, 'plan');
    expect(status).toBe(0);
    expect(stdout.replaceAll(/[0-9a-f]{12}/g, 'X')).toBe(
      [
        'base           reuse  sha256:X',
        '└─ engine      reuse  sha256:X',
        '   └─ service  build  docker/service/app.py changed',
        '',
        '1 of 3 to build, 2 reused  oci:.imgbuild/store',
        '',
      ].join('\n'),
    );
  });

  test('--json prints one document and nothing else', () => {
    const { stdout } = imgbuild('-C', newRepository(), 'plan', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      hasWork: true,
      waves: [[{ name: 'base' }], [{ name: 'engine' }], [{ name: 'service' }]],
    });
  });

  test('--explain shows the whole list, what is new and what is gone', async () => {
    const folder = newRepository();
    await saveAll(folder);
    writeTree(folder, { 'docker/service/app.py': 'print("bye")\n' });
    const { stdout } = imgbuild('-C', folder, 'plan', '--explain', 'service');
    expect(stdout).toMatch(/\+ file .*app\.py/);
    expect(stdout).toMatch(/- file .*app\.py/);
    expect(stdout).toMatch(/^ {2}parent +engine/m);
  });

  test('--frozen refuses a base that is not locked', () => {
    const folder = newRepository({ ...chain, 'imgbuild.lock': '' });
    const { status, stderr } = imgbuild('-C', folder, 'plan', '--frozen');
    expect(status).toBe(2);
    expect(stderr).toMatch(/imgbuild lock/);
  });

  test('writes nothing that git would see', () => {
    const folder = newRepository();
    imgbuild('-C', folder, 'plan');
    expect(
      spawnSync('git', ['-C', folder, 'status', '--porcelain', '--ignored'], { encoding: 'utf8' }).stdout,
    ).not.toMatch(/lock|yaml|Dockerfile/);
  });
});

describe('the call', () => {
  test('a folder named as a command is a folder', () => {
    const folder = path.join(empty(), 'build');
    writeTree(folder, chain);
    const inside = { cwd: path.dirname(folder), encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } } as const;
    const { status, stdout } = spawnSync(process.execPath, [main, '-C', 'build', 'plan'], inside);
    expect(status).toBe(0);
    expect(stdout).toMatch(/3 of 3 to build/);
  });

  test('-C and -f may stand before and after the command', () => {
    const folder = newRepository({ ...chain, 'other.yaml': chain['imgbuild.yaml']!.replace('ccai', 'other') });
    for (const args of [
      ['-C', folder, '-f', 'other.yaml', 'plan'],
      ['plan', '-C', folder, '-f', 'other.yaml'],
    ]) {
      expect(imgbuild(...args)).toMatchObject({ status: 0, stdout: expect.stringMatching(/3 of 3 to build/) });
    }
    expect(imgbuild('plan', '-C', folder, '-f', 'missing.yaml')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/missing\.yaml/),
    });
  });

  test('a name that every object has is no command', () => {
    expect(imgbuild('toString')).toMatchObject({ status: 2, stderr: expect.stringMatching(/unknown command/) });
  });

  test('an image behind --tag is not taken for a tag', () => {
    const { status, stderr } = imgbuild('-C', newRepository(), 'push', '--tag', 'latest', 'service');
    expect(status).toBe(2);
    expect(stderr).toMatch(/imgbuild push service --tag latest/);
  });

  test('--explain is for people: not with --json', () => {
    const folder = newRepository();
    for (const args of [
      ['plan', '--explain', 'service', '--json'],
      ['--json', 'plan', '--explain', 'service'],
    ]) {
      const { status, stdout, stderr } = imgbuild('-C', folder, ...args);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(/'--explain <layer>' is for people and cannot be used with option '--json'/);
    }
  });

  test('help of a command names its own options and those of all commands', () => {
    const { status, stdout } = imgbuild('plan', '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/--explain <layer>/);
    expect(stdout).toMatch(/Global Options:\n +-C, --directory <dir>/);
  });
});
