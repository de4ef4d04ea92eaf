import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { run } from '../../src/process/run.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

describe.each(['classic', 'current'] as const)('a release on the %s engine', (kind) => {
  const engine = inject('engines')[kind];
  if (!engine.available) {
    test.skip(`there is no ${kind} engine here: ${engine.because}`);
    return;
  }
  let folder: string;
  const env = { ...process.env, ...engine.env };
  const write = (name: string, text: string) => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const imgbuild = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await run(process.execPath, [main, '-C', folder, ...args], { env });
    return { exitCode, stdout: stdout.toString('utf8'), stderr };
  };
  const json = async <T>(...args: string[]): Promise<T> => {
    const { exitCode, stdout, stderr } = await imgbuild(...args, '--json');
    expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
    return JSON.parse(stdout) as T;
  };
  interface Released {
    outcome: string;
    previous: string | null;
    builds: { name: string }[];
    images: { layer: string; digest: string; config: string; diffIds: string[] }[];
    tags: { reference: string; digest: string }[];
    debs: { file: string; sha256: string }[];
    deltas: { from: string; to: string; file: string }[];
    directory: string;
  }
  const release = (version: string) => json<Released>('release', '--version', version);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'imgbuild-release-'));
    await writeBaseLayout(inject('rootfs').tiny, join(folder, 'bases/tiny'), {
      reference: 'tiny:1',
      platform: hostPlatform(),
    });
    write('base/Dockerfile', 'FROM tiny:1\nCOPY base.txt /\n');
    write('base/base.txt', 'base');
    write('service/Dockerfile', 'FROM demo_base:1\nCOPY app.txt /\nCMD ["cat", "/app.txt"]\n');
    write('service/app.txt', 'one');
    write(
      'imgbuild.yaml',
      `version: 1
name: demo
layers:
  base: { context: base, image: "demo_base:1" }
  service: { context: service, image: demo_service }
bases: { "tiny:1": oci:./bases/tiny }
debs:
  demo-service: { service: service, description: demo, maintainer: Demo <demo@example.com> }
ota: { full: true }
`,
    );
    expect((await imgbuild('lock')).exitCode).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('plans, builds, tags, packs and commits; then builds what changed, and nothing where nothing did', async () => {
    const first = await release('v1.0.0');
    expect(first).toMatchObject({ outcome: 'released', previous: null });
    expect(first.builds.map(({ name }) => name)).toEqual(['base', 'service']);
    expect(first.images.map(({ layer }) => layer)).toEqual(['service']);
    expect(first.debs).toHaveLength(1);
    const deb = join(first.directory, first.debs[0]!.file);
    const check = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: first.directory });
    expect({ exitCode: check.exitCode, stdout: check.stdout.toString() }).toEqual({
      exitCode: 0,
      stdout: `${first.debs[0]!.file}: OK\nrelease.json: OK\n`,
    });
    const extracted = await run('dpkg-deb', ['--fsys-tarfile', deb]);
    expect(extracted.stdout.includes(Buffer.from(first.images[0]!.config))).toBe(true);

    const again = await release('1.0.0');
    expect(again).toMatchObject({ outcome: 'unchanged', builds: [], tags: [], images: first.images, debs: first.debs });

    write('service/app.txt', 'two');
    const refused = await imgbuild('release', '--version', '1.0.0');
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('has 1.0.0 with other content: service');

    const keys = await generateSigningKey('Demo <demo@example.com>');
    write('.imgbuild/key.asc', keys.privateKey);
    write('.imgbuild/key.pub.asc', keys.publicKey);
    const key = join(folder, '.imgbuild/key.asc');
    const second = await json<Released>('release', '--version', '1.1.0', '--sign-key', key);
    expect(second).toMatchObject({ outcome: 'released', previous: '1.0.0', builds: [{ name: 'service' }] });
    expect(second.images[0]!.diffIds.slice(0, 2)).toEqual(first.images[0]!.diffIds.slice(0, 2));
    expect(second.images[0]!.diffIds[2]).not.toBe(first.images[0]!.diffIds[2]);

    expect(second.deltas).toMatchObject([
      { from: '1.0.0', to: '1.1.0' },
      { from: 'none', to: '1.1.0' },
    ]);
    const keyring = join(folder, '.imgbuild/key.pub.asc');
    for (const { file, from } of second.deltas) {
      const delta = join(second.directory, file);
      const verified = await imgbuild('ota', 'verify', delta, '--from', from, '--keyring', keyring);
      expect({ ...verified, stdout: '' }).toMatchObject({ exitCode: 0 });
    }

    const third = await release('1.1.1');
    expect(third).toMatchObject({ outcome: 'released', previous: '1.1.0', builds: [] });
    expect(third.images[0]!.digest).toBe(second.images[0]!.digest);

    expect((await imgbuild('yank', '1.1.1')).stdout).toMatch(/^1\.1\.1 is yanked;/);
    const pushed = await json<{ images: { reference: string; digest: string }[] }>(
      'push',
      'service',
      '--tag',
      'tested',
    );
    expect(pushed.images).toEqual([
      {
        name: 'service',
        reference: expect.stringMatching(/:tested$/),
        digest: second.images[0]!.digest,
        outcome: 'new',
      },
    ]);
    expect((await imgbuild('push', 'service', '--tag', '1.0.0')).exitCode).toBe(2);
    const refs = (
      JSON.parse(readFileSync(join(folder, '.imgbuild/store/index.json'), 'utf8')) as {
        manifests: { digest: string; annotations: Record<string, string> }[];
      }
    ).manifests.map((each) => [each.annotations['org.opencontainers.image.ref.name'], each.digest]);
    expect(Object.fromEntries(refs)).toMatchObject({
      'demo_service:1.0.0': first.images[0]!.digest,
      'demo_service:1.1.0': second.images[0]!.digest,
      'demo_service:latest': second.images[0]!.digest,
      'releases:yanked-1.1.1': expect.any(String),
    });
  });

  test('locks a base that only the local engine has, builds on its very filesystem layers, and refuses it under --frozen', async () => {
    const name = `imgbuild-test-${process.pid}-${kind}:1`;
    const imported = await run('docker', ['import', '--change', 'ENV A=b', inject('rootfs').tiny, name], { env });
    expect(imported.exitCode).toBe(0);
    try {
      write('service/Dockerfile', `FROM ${name}\nCOPY app.txt /\n`);
      const { moved } = await json<{ moved: { name: string; to: string | null }[] }>('lock');
      expect(moved.find((each) => each.name === name)!.to).toMatch(/^sha256:/);
      const line = readFileSync(join(folder, 'imgbuild.lock'), 'utf8')
        .split('\n')
        .find((each) => each.includes(name))!;
      expect(JSON.parse(line)).toMatchObject({ from: 'daemon', index: null });
      expect(line).toContain('"A=b"');
      const frozen = await imgbuild('plan', '--frozen');
      expect(frozen.exitCode).toBe(2);
      expect(frozen.stderr).toContain("only one machine's Docker has");
      expect((await imgbuild('plan')).exitCode).toBe(0);
      expect((await imgbuild('build', 'service', '--load')).exitCode).toBe(0);
      const layers = async (image: string) => {
        const format = '{{json .RootFS.Layers}}';
        const { stdout } = await run('docker', ['image', 'inspect', '--format', format, image], { env });
        return JSON.parse(stdout.toString()) as string[];
      };
      const [base, built] = [await layers(name), await layers('demo_service')];
      expect(built.slice(0, base.length)).toEqual(base);
      expect(built.length).toBe(base.length + 1);
    } finally {
      await run('docker', ['rmi', '--force', name, 'demo_service'], { env });
    }
  });
});
