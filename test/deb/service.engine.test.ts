import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseDigest, type Digest } from '../../src/oci/digest.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { packOne } from './support/pack.ts';
import { deb, parseProject } from './support/project.ts';

const product = `ccai${process.pid}`;
const image = `${product}_runtime`;

describe.each(['classic', 'current'] as const)('the service program on the %s engine', (kind) => {
  const engine = inject('engines')[kind];
  if (!engine.available) {
    test.skip(`there is no ${kind} engine here: ${engine.because}`);
    return;
  }
  const env = engine.env;
  const docker = (...args: string[]) => runChecked('docker', args, { env });
  const configs = new Map<string, Digest>();
  let folder: string;
  let root: string;

  /** The program as the package brings it, in a mount namespace where /opt and /var/lib/imgbuild are the package's. */
  const inPlace = [
    '--mount',
    'sh',
    '-c',
    'mount --bind "$0/opt" /opt && mount -t tmpfs none /var/lib && mkdir /var/lib/imgbuild && ' +
      'mount --bind "$0/var/lib/imgbuild" /var/lib/imgbuild && exec "$0/usr/bin/imgbuild-$1" "$2"',
  ];
  const program = (command: string) => run('unshare', [...inPlace, root, product, command], { env });
  const lines = async (command: string) => {
    const { exitCode, stdout, stderr } = await program(command);
    return { exitCode, stdout: stdout.toString().trim().split('\n'), stderr };
  };

  /** An image of its own config for every version; the config's digest from what `docker save` writes. */
  async function makeImage(version: string): Promise<void> {
    const name = `${image}:${version}`;
    await docker(
      'import',
      '--change',
      'CMD ["/bin/sleep","600"]',
      '--change',
      `ENV RELEASE=${version}`,
      inject('rootfs').tiny,
      name,
    );
    const saved = join(folder, 'saved.tar');
    await docker('save', '-o', saved, name);
    const [manifest] = JSON.parse(await runChecked('tar', ['-xOf', saved, 'manifest.json'])) as [{ Config: string }];
    configs.set(version, parseDigest(`sha256:${/[0-9a-f]{64}/.exec(manifest.Config)![0]}`));
  }

  function update(version: string): void {
    const config = configs.get(version);
    writeFileSync(
      join(root, 'var/lib/imgbuild', product, 'current'),
      JSON.stringify({
        schema: 1,
        version,
        images: {
          [`other/${image}`]: { config: `sha256:${'0'.repeat(64)}` },
          [image]: { config, platform: 'linux/amd64' },
        },
      }),
    );
  }

  /** Runs `start` in the background until its container runs; ends with it. */
  async function started(): Promise<{ ended: Promise<unknown> }> {
    const child = spawn('unshare', [...inPlace, root, product, 'start'], { env, stdio: 'inherit' });
    const ended = once(child, 'exit');
    for (let tries = 0; tries < 100; tries++) {
      const shown = await run('docker', ['container', 'inspect', '--format', '{{.State.Running}}', product], { env });
      if (shown.stdout.toString().trim() === 'true') return { ended };
      await sleep(100);
    }
    throw new Error('the container does not start');
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'imgbuild-service-'));
    await makeImage('1.0.0');
    await makeImage('1.1.0');
    const more = { name: product, layers: { service: { context: 'docker/service', image } } };
    const runKeys = { env: { GREETING: `it's "here"` }, options: ['--network=none', '--stop-signal=SIGKILL'] };
    const config = parseProject(folder, { [product]: deb({ service: 'service', run: runKeys }) }, more);
    const packed = await packOne(config, {
      version: '1.0.0',
      images: [
        {
          layer: 'service',
          platform: { os: 'linux', architecture: 'amd64' },
          config: configs.get('1.0.0')!,
          reference: `${image}:1.0.0`,
        },
      ],
    });
    root = join(folder, 'root');
    await runChecked('dpkg-deb', ['-x', packed.file, root]);
    mkdirSync(join(root, 'var/lib/imgbuild', product), { recursive: true });
  });

  afterAll(async () => {
    await run('docker', ['rm', '--force', product], { env });
    for (const version of configs.keys()) await run('docker', ['rmi', '--force', `${image}:${version}`], { env });
    rmSync(folder, { recursive: true, force: true });
  });

  test('is a program that a POSIX shell accepts', async () => {
    await runChecked('dash', ['-n', join(root, 'usr/bin', `imgbuild-${product}`)]);
    expect(await program('status')).toMatchObject({ exitCode: 3 });
  });

  test('starts exactly the expected image, and says so', async () => {
    expect(await lines('verify')).toMatchObject({ exitCode: 0, stderr: '' });
    const { ended } = await started();
    const status = await lines('status');
    expect(status).toMatchObject({ exitCode: 0, stderr: '' });
    expect(status.stdout[0]).toBe(`expected  1.0.0 (package) ${configs.get('1.0.0')}`);
    expect(status.stdout[2]).toBe('running   1.0.0, as expected');
    const seen = await docker('exec', product, '/bin/sh', '-c', 'echo "$RELEASE $GREETING"');
    expect(seen).toBe(`1.0.0 it's "here"\n`);
    expect(await lines('stop')).toMatchObject({ exitCode: 0 });
    await ended;
    expect(await lines('status')).toMatchObject({ exitCode: 3 });
  });

  test('follows an update, and tells that the old image still runs', async () => {
    const first = await started();
    update('1.1.0');
    const between = await lines('status');
    expect(between.exitCode).toBe(1);
    expect(between.stdout[0]).toBe(`expected  1.1.0 (update) ${configs.get('1.1.0')}`);
    expect(between.stdout[2]).toMatch(/^running {3}1\.0\.0 sha256:\S+, not what is expected$/);
    await lines('stop');
    await first.ended;
    const second = await started();
    expect(await docker('exec', product, '/bin/sh', '-c', 'echo "$RELEASE"')).toBe('1.1.0\n');
    expect((await lines('status')).stdout[2]).toBe('running   1.1.0, as expected');
    await lines('stop');
    await second.ended;
  });

  test('does not start another image under the same name, and says what to run', async () => {
    update('1.1.0');
    await docker('tag', `${image}:1.0.0`, `${image}:1.1.0`);
    await docker('image', 'prune', '--force');
    try {
      const missing = await lines('start');
      expect(missing.exitCode).toBe(78);
      expect(missing.stderr).toContain(`the image of release 1.1.0 is not in this machine's Docker:`);
      expect(missing.stderr).toContain(`  ${image}:1.1.0 (${configs.get('1.1.0')})`);
      expect(missing.stderr).toContain('docker load -i FILE');
      expect(missing.stderr).not.toContain('docker pull');
    } finally {
      await makeImage('1.1.0');
    }
  });

  test('finds the image under whatever name it came', async () => {
    update('1.1.0');
    await docker('tag', `${image}:1.1.0`, `registry.example/ccai/${image}:stable`);
    await docker('rmi', `${image}:1.1.0`);
    expect(await lines('verify')).toMatchObject({ exitCode: 0 });
    await docker('tag', `registry.example/ccai/${image}:stable`, `${image}:1.1.0`);
    writeFileSync(
      join(root, 'var/lib/imgbuild', product, 'current'),
      JSON.stringify({
        schema: 1,
        version: '1.1.0',
        images: { [`registry.example:5000/ccai/${image}`]: { config: configs.get('1.1.0'), platform: 'linux/amd64' } },
      }),
    );
    expect(await lines('verify')).toMatchObject({ exitCode: 0 });
    await docker('rmi', `registry.example/ccai/${image}:stable`);
  });

  test('touches no container that is not of its package', async () => {
    await docker('run', '--detach', '--name', product, '--network=none', `${image}:1.0.0`);
    expect(await lines('start')).toMatchObject({ exitCode: 78 });
    expect(await lines('stop')).toMatchObject({ exitCode: 0 });
    expect((await docker('container', 'inspect', '--format', '{{.State.Running}}', product)).trim()).toBe('true');
    await docker('rm', '--force', product);
  });

  test('refuses a state that it cannot read', async () => {
    const current = join(root, 'var/lib/imgbuild', product, 'current');
    for (const text of ['{"schema":2,"version":"1.1.0"}', '{"schema":1,"version":"1.1.0","images":{}}', '', '\0\0\0']) {
      writeFileSync(current, text);
      expect(await lines('start'), JSON.stringify(text)).toMatchObject({ exitCode: 78 });
    }
    rmSync(current);
    expect(readFileSync(join(root, 'opt', product, 'docker_image'), 'utf8')).toBe(`${configs.get('1.0.0')}\n`);
  });

  test('says that Docker does not answer', async () => {
    const away = { ...env, DOCKER_HOST: 'unix:///nowhere/docker.sock' };
    const result = await run('unshare', [...inPlace, root, product, 'status'], { env: away });
    expect(result).toMatchObject({ exitCode: 69, stderr: expect.stringContaining('Docker does not answer') });
  });
});
