import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { borrowBridgeAddress } from '../support/bridge-address.ts';
import { storeContains } from '../support/engine-project.ts';
import { imgbuild, imgbuildDone, imgbuildJson } from './cli.ts';

const example = path.resolve(import.meta.dirname, '../../examples/ascend');
const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const toolkit = `packages/Ascend-cann-toolkit_8.0.0_linux-${arch}.run`;

interface Report {
  layers: { name: string; outcome: string; digest: string }[];
}

let giveBack: () => Promise<void>;
beforeAll(async () => {
  giveBack = await borrowBridgeAddress();
});
afterAll(() => giveBack());

describe.each(['classic', 'current'] as const)('examples/ascend, %s engine', (kind) => {
  const engine = inject('engines')[kind];
  const env: Record<string, string> = engine.available ? { ...engine.env } : {};
  let root: string;
  const dockerfile = () => readFileSync(path.join(root, 'dockerfile'), 'utf8');
  const docker = (...args: string[]) => runChecked('docker', args, { env });
  const outcomes = ({ layers }: Report) => layers.map(({ name, outcome }) => `${name} ${outcome}`);

  beforeAll(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'imgbuild-ascend-'));
    env['XDG_CACHE_HOME'] = path.join(root, 'home');
    cpSync(example, root, { recursive: true });
    const platform = hostPlatform();
    await writeBaseLayout(inject('rootfs').system, path.join(root, 'bases/debian'), {
      reference: 'debian:12',
      platform,
    });
    execFileSync('bash', ['make_packages.sh'], { cwd: root });
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test.skipIf(!engine.available)('builds with and without conda from a file that stays as it is', async () => {
    const before = dockerfile();
    expect(await imgbuildDone(root, env, 'lock')).toMatch(/package packages\/Ascend-cann-toolkit_8\.0\.0_linux-/);
    execFileSync('sha256sum', ['-c', 'packages.lock'], { cwd: root });
    const report = await imgbuildJson<Report>(root, env, 'build', '--load');
    expect(outcomes(report)).toEqual(['ascend-app built', 'ascend-app-slim built']);
    const says = `CANN 8.0.0 for ${arch}, kernels for 910b\n`;
    expect(await docker('run', '--rm', 'ascend-app')).toBe(`${says}with conda\n`);
    expect(await docker('run', '--rm', 'ascend-app-slim')).toBe(`${says}without conda\n`);
    expect(dockerfile()).toBe(before);
    expect(await storeContains(root, '__PAYLOAD__')).toEqual([]);
    expect(await docker('history', '--no-trunc', 'ascend-app')).not.toContain('imgbuild-packages');
    const { layers, warnings } = await imgbuildJson<Plan>(root, env, 'plan');
    expect(layers.map(({ action }) => action)).toEqual(['reuse', 'reuse']);
    expect(warnings).toEqual([]);
  });

  test.skipIf(!engine.available)(
    'a changed installer is built in, although no line of the Dockerfile changed',
    async () => {
      writeFileSync(
        path.join(root, toolkit),
        readFileSync(path.join(root, toolkit), 'latin1').replace(
          'exit 0\n__PAY',
          'echo patched > /patched\nexit 0\n__PAY',
        ),
        'latin1',
      );
      const refused = await imgbuild(root, env, 'plan');
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain('packages.lock:');
      expect(refused.stderr).toMatch(/dockerfile:4\d:13/);
      await imgbuildDone(root, env, 'lock');
      const { layers } = await imgbuildJson<Plan>(root, env, 'plan');
      expect(layers.map(({ reasons }) => reasons)).toEqual([
        [{ kind: 'file-changed', path: toolkit }],
        [{ kind: 'file-changed', path: toolkit }],
      ]);
      // A proxy of the machine is not asked for what is served here.
      const proxied = { ...env, http_proxy: 'http://192.0.2.9:9' };
      const { exitCode, stderr } = await imgbuild(root, proxied, 'build', '--load');
      expect(stderr).toContain(`serving ${toolkit}`);
      expect(stderr).not.toContain('imgbuild-packages-');
      expect(exitCode).toBe(0);
      expect(await docker('run', '--rm', 'ascend-app', 'cat', '/patched')).toBe('patched\n');
    },
  );

  test.skipIf(!engine.available)('an installer that fails, fails the build at its line', async () => {
    const good = readFileSync(path.join(root, toolkit));
    appendFileSync(path.join(root, toolkit), 'damaged');
    await imgbuildDone(root, env, 'lock');
    const { exitCode, stderr } = await imgbuild(root, env, 'build', 'ascend-app-slim');
    writeFileSync(path.join(root, toolkit), good);
    await imgbuildDone(root, env, 'lock');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('the package is damaged');
    expect(stderr).toMatch(/dockerfile:4\d:1: error[^]*4\d \| RUN wget/);
    expect(stderr).not.toContain('imgbuild-packages-');
  });

  const onCurrent = kind === 'current' ? test.skipIf(!engine.available) : () => {};
  onCurrent('a port that is taken, and an address that this machine has not got, are named', async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(3000, '172.17.0.1', done));
    const taken = await imgbuild(root, env, 'build', '--force', 'ascend-app-slim');
    await new Promise((done) => other.close(done));
    expect(taken.exitCode).toBe(1);
    expect(taken.stderr).toContain('serving packages at 172.17.0.1:3000: another program listens there');
    const before = dockerfile();
    writeFileSync(path.join(root, 'dockerfile'), before.replaceAll('172.17.0.1', '172.31.255.1'));
    const absent = await imgbuild(root, env, 'build', 'ascend-app-slim');
    writeFileSync(path.join(root, 'dockerfile'), before);
    expect(absent.exitCode).toBe(1);
    expect(absent.stderr).toContain('this machine has no address 172.31.255.1');
  });

  onCurrent('a file that no URL names is not served, and the error says so', async () => {
    const before = dockerfile();
    writeFileSync(path.join(root, 'packages/more.sh'), 'wget -q http://172.17.0.1:3000/hidden.run\n');
    writeFileSync(path.join(root, 'packages/hidden.run'), 'x');
    writeFileSync(
      path.join(root, 'dockerfile'),
      `${before}RUN wget -q http://172.17.0.1:3000/more.sh && sh -e more.sh\n`,
    );
    const { exitCode, stderr } = await imgbuild(root, env, 'build', 'ascend-app-slim');
    writeFileSync(path.join(root, 'dockerfile'), before);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('it asked the file server for hidden.run');
  });

  test.skipIf(!engine.available)('from=packages mounts the folder where the engine has named contexts', async () => {
    const before = dockerfile();
    const mount = `FROM base AS mounted\nRUN --mount=type=bind,from=packages,source=${path.basename(toolkit)},target=/t.run sh /t.run --install\n`;
    writeFileSync(path.join(root, 'dockerfile'), `${before.replace(/\nFROM base AS miniconda[^]*/, '\n')}${mount}`);
    writeFileSync(
      path.join(root, 'imgbuild.yaml'),
      readFileSync(path.join(root, 'imgbuild.yaml'), 'utf8')
        .replaceAll('target: app', 'target: mounted')
        .replace('    skip: [miniconda]\n', ''),
    );
    const { exitCode, stderr } = await imgbuild(root, env, 'build', '--load', 'ascend-app');
    if (kind === 'classic') {
      expect(exitCode, stderr).toBe(1);
      expect(stderr).toContain('has no named contexts, and this takes files from=packages');
    } else {
      expect(exitCode, stderr).toBe(0);
      expect(await docker('run', '--rm', 'ascend-app', 'ls', '/usr/local/Ascend/ascend-toolkit')).toContain('8.0.0');
    }
    expect(readdirSync(path.join(root, '.imgbuild/tmp'))).toEqual([]);
  });
});
