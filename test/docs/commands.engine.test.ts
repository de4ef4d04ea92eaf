import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { borrowBridgeAddress } from '../support/bridge-address.ts';
import { shellBlocks } from './shell-blocks.ts';

/**
 * Every `sh` block of README.md and docs/ is run as written: the blocks of one file in order, in one shell, in a copy
 * of examples/quick, whose base is a busybox so that the builds take seconds; those of docs/ascend.md in examples/ascend. The README's own two commands are what
 * CI and test/demo run.
 */
const bases = {
  quick: { folder: 'bases/busybox', reference: 'busybox:1', rootfs: 'tiny' },
  ascend: { folder: 'bases/debian', reference: 'debian:12', rootfs: 'system' },
} as const;
const root = path.resolve(import.meta.dirname, '../..');
const ownCommands = /^npm ci && npm (run demo|test)$/;
const blocksOf = (file: string) =>
  shellBlocks(readFileSync(path.join(root, file), 'utf8')).filter(({ script }) => !ownCommands.test(script.trim()));
const pages = readdirSync(path.join(root, 'docs')).filter((file) => file.endsWith('.md'));
const files = ['README.md', ...pages.map((file) => `docs/${file}`)].filter((file) => blocksOf(file).length > 0);
const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-docs-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const engine = inject('engines').current;
const env = engine.available ? engine.env : {};

const bin = path.join(work, 'bin');
mkdirSync(bin);
writeFileSync(path.join(bin, 'imgbuild'), `#!/bin/sh\nexec node ${path.join(root, 'dist/cli.js')} "$@"\n`);
chmodSync(path.join(bin, 'imgbuild'), 0o755);

const go = await goProgram();
const usesDevice = (file: string) => blocksOf(file).some(({ script }) => script.includes('imgbuild-ota '));

describe.skipIf(!engine.available).each(files)('%s', (file) => {
  test.skipIf(go === undefined && usesDevice(file))('its commands run as written', async () => {
    if (usesDevice(file)) {
      const program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64', bin);
      renameSync(program, path.join(bin, 'imgbuild-ota'));
    }
    const copy = path.join(work, file.replaceAll('/', '-'));
    const example = file === 'docs/ascend.md' ? 'ascend' : 'quick';
    cpSync(path.join(root, 'examples', example), copy, { recursive: true });
    const { folder, reference, rootfs } = bases[example];
    const platform = hostPlatform();
    await writeBaseLayout(inject('rootfs')[rootfs], path.join(copy, folder), { reference, platform });
    if (example === 'ascend') onTestFinished(await borrowBridgeAddress());
    await installPackages(['gnupg', 'xz-utils'], () => {}); // what the pages use besides imgbuild
    const lines = blocksOf(file).map(({ line, script }) => `echo "${file}:${line}" >&2\n${script}`);
    const result = spawnSync('bash', ['-euo', 'pipefail', '-c', lines.join('\n')], {
      cwd: copy,
      env: { ...env, PATH: `${bin}:${env.PATH}`, HOME: work },
      encoding: 'utf8',
    });
    expect(result.status, `${result.stdout}\n${result.stderr}`).toBe(0);
  });
});
