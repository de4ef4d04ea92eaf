import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { EngineProject } from '../support/engine-project.ts';

const example = path.resolve(import.meta.dirname, '../../examples/aiges');

describe.each(['classic', 'current'] as const)('examples/aiges on the %s engine', (kind) => {
  const engine = inject('engines')[kind];
  const projects: EngineProject[] = [];
  afterAll(async () => {
    for (const project of projects) await project.remove();
  });

  test.skipIf(!engine.available)('build.envd is built as written, and new code reuses the environment', async () => {
    if (!engine.available) return;
    const root = mkdtempSync(path.join(tmpdir(), 'imgbuild-aiges-'));
    cpSync(example, root, { recursive: true });
    const platform = hostPlatform();
    await writeBaseLayout(inject('rootfs').system, path.join(root, 'bases/debian'), {
      reference: 'debian:12',
      platform,
    });
    const project = new EngineProject(root, engine);
    projects.push(project);
    // What a file says of sources holds while it is built alone.
    const file = path.join(root, 'build.envd');
    const source = `config.apt_source(source="""\n${await sourcesOf(project)}\n""")`;
    writeFileSync(file, readFileSync(file, 'utf8').replace('def build():\n', `def build():\n    ${source}\n`));

    const first = await project.build({ load: true });
    expect(first.layers.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'yolo-system built',
      'yolo-python built',
      'yolo-run built',
      'yolo built',
    ]);
    expect((await project.docker('run', '--rm', 'yolo:v1.0.0')).trim()).toBe('text/x-script.python');
    const inside = (command: string) =>
      project.docker('run', '--rm', '--entrypoint', '/bin/sh', 'yolo:v1.0.0', '-c', command);
    expect(
      await inside(
        'ls -A /dev/shm /tmp; cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -c marker || true',
      ),
    ).toBe('/dev/shm:\n\n/tmp:\n0\n');
    expect(await inside('echo $AIGES_PLUGIN_MODE; cat /proc/1/cmdline | tr "\\0" " "')).toContain('python');

    writeFileSync(path.join(root, 'wrapper/labels.txt'), 'cat\n');
    const second = await project.build();
    expect(second.layers.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'yolo-system reused',
      'yolo-python reused',
      'yolo-run reused',
      'yolo built',
    ]);
  });

  test.skipIf(!engine.available)('a command that fails is told with its line of build.envd', async () => {
    if (!engine.available) return;
    const [{ root }] = projects as [EngineProject];
    const file = path.join(root, 'build.envd');
    writeFileSync(file, readFileSync(file, 'utf8').replace('check("magic")', 'check("no_such_module")'));
    const failure = projects[0]!.build();
    const line =
      readFileSync(file, 'utf8')
        .split('\n')
        .findIndex((text) => text.includes('run(commands=')) + 1;
    await expect(failure).rejects.toThrow(
      expect.objectContaining({ at: expect.objectContaining({ file: 'build.envd', line }) }),
    );
  });
});

/** Those of the base, with a comment by which they are known again. */
async function sourcesOf(project: EngineProject): Promise<string> {
  const { root } = project;
  const { execFileSync } = await import('node:child_process');
  const tar = inject('rootfs').system;
  const text = execFileSync('tar', ['-xOf', tar, './etc/apt/sources.list']).toString();
  expect(root).not.toBe('');
  return `# marker\n${text.trim()}`;
}
