import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { imgbuild, read, repository, tree } from './project.ts';

describe('imgbuild options', { timeout: 180_000 }, () => {
  test('list shows values, prompts and the layers that each option reaches', () => {
    const { status, stdout } = imgbuild(repository(), 'options', 'list');
    expect(status).toBe(0);
    expect(stdout).toBe(`CCAI configuration
config/Kconfig, defaults: there is no .config

Backend
  OPENVINO=y        OpenVINO    engine, service
  TENSORFLOW=n      Tensorflow  engine
WORKERS=4           Workers     engine
GREETING=Hello, 世界  Greeting

Device
  CPU=y             Processor
  GPU=n             Graphics
`);
  });

  test('list --json holds hidden options too', () => {
    const folder = repository({ '.config': 'CONFIG_TENSORFLOW=y\nCONFIG_GRPC=y\n' });
    const { stdout, stderr } = imgbuild(folder, 'options', 'list', '--json');
    const { options, unknown, warnings } = JSON.parse(stdout);
    expect(options.find(({ name }: { name: string }) => name === 'BATCHING')).toEqual({
      name: 'BATCHING',
      type: 'bool',
      value: 'n',
      prompt: null,
      visible: false,
      written: false,
      layers: [],
      help: null,
      at: 'config/Kconfig:41',
    });
    expect(unknown).toEqual([{ name: 'GRPC', value: 'y', layers: [] }]);
    expect(warnings).toEqual([expect.stringMatching(/^\.config:2:1: config\/Kconfig has no option GRPC/)]);
    expect(stderr).toMatch(/no option GRPC/);
  });

  test('set writes .config whole, keeps what it does not know, and says what changed with it', () => {
    const folder = repository({ '.config': 'CONFIG_OLD="x"\n' });
    const { status, stdout } = imgbuild(folder, 'options', 'set', 'GPU=y', 'CONFIG_WORKERS=8');
    expect(status).toBe(0);
    expect(stdout).toBe('WORKERS: 4 → 8\nCPU: y → n\nGPU: n → y\nBATCHING: n → y\n.config written\n');
    expect(read(folder, '.config')).toBe(`
#
# Backend
#
CONFIG_OPENVINO=y
# CONFIG_TENSORFLOW is not set
# end of Backend

CONFIG_WORKERS=8
CONFIG_GREETING="Hello, 世界"
# CONFIG_CPU is not set
CONFIG_GPU=y
CONFIG_BATCHING=y

#
# Not in Kconfig
#
CONFIG_OLD="x"
`);
    const again = imgbuild(folder, 'options', 'set', 'GPU=y', '--json');
    expect(JSON.parse(again.stdout)).toEqual({ schema: 1, file: '.config', changed: [] });
  });

  test('set refuses what would not hold with exit 2, and writes nothing', () => {
    const folder = repository();
    const { status, stdout, stderr } = imgbuild(folder, 'options', 'set', 'WORKERS=5', 'FAST=y');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/FAST cannot be set while TENSORFLOW is n\nnext: set TENSORFLOW=y as well/);
    expect(existsSync(path.join(folder, '.config'))).toBe(false);
  });

  test('savedefconfig and defconfig bring .config back', () => {
    const folder = repository();
    imgbuild(folder, 'options', 'set', 'TENSORFLOW=y', 'FAST=y', 'WORKERS=16');
    const whole = read(folder, '.config');
    expect(imgbuild(folder, 'options', 'savedefconfig').stdout).toBe('config/defconfig written: 3 options\n');
    expect(read(folder, 'config/defconfig')).toBe('CONFIG_TENSORFLOW=y\nCONFIG_FAST=y\nCONFIG_WORKERS=16\n');
    imgbuild(folder, 'options', 'set', 'TENSORFLOW=n');
    expect(imgbuild(folder, 'options', 'defconfig').stdout).toBe('TENSORFLOW: n → y\nFAST: n → y\n.config written\n');
    expect(read(folder, '.config')).toBe(whole);
    // Of a file that is named, relative to where it is called from.
    mkdirSync(path.join(folder, 'sets'));
    writeFileSync(path.join(folder, 'sets/small'), 'CONFIG_WORKERS=1\n');
    imgbuild(path.join(folder, 'sets'), 'options', 'defconfig', 'small');
    expect(read(folder, '.config')).toMatch(/TENSORFLOW is not set[^]*WORKERS=1\n/);
    expect(imgbuild(folder, 'options', 'defconfig', 'none')).toMatchObject({ status: 2, stdout: '' });
    expect(imgbuild(folder, 'options', 'savedefconfig', '../out').stderr).toMatch(/outside the repository/);
    // Nothing else is left behind.
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual(['.config', '.git', '.gitignore']);
  });

  test('a .config that is a link stays one; a Kconfig that is a link out of the repository is refused', () => {
    const folder = repository({ 'config/values': '' });
    symlinkSync('config/values', path.join(folder, '.config'));
    imgbuild(folder, 'options', 'set', 'WORKERS=2');
    expect(read(folder, 'config/values')).toMatch(/WORKERS=2/);
    writeFileSync(path.join(folder, 'config/Kconfig'), 'source "out"\n');
    symlinkSync('/etc/passwd', path.join(folder, 'config/out'));
    const { status, stderr } = imgbuild(folder, 'options', 'list');
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /config\/Kconfig:1:8: error: .*config\/out is outside the repository\n.*\n.*source "out"\n.*\^{5}\n/,
    );
  });

  test('a configuration without options says what to write', () => {
    const folder = repository({ 'imgbuild.yaml': tree['imgbuild.yaml']!.replace(/options:.*\n/, '') });
    const { status, stderr } = imgbuild(folder, 'options', 'list');
    expect(status).toBe(2);
    expect(stderr).toMatch(/next: write, for example, options: \{ kconfig: Kconfig \}/);
  });
});
