import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { EngineProject } from '../support/engine-project.ts';

const example = path.resolve(import.meta.dirname, '../../examples/aiges');

// Two environments are built from packages of the distribution and of PyPI.
describe.each(['classic', 'current'] as const)('examples/aiges on the %s engine', { timeout: 900_000 }, (kind) => {
  const engine = inject('engines')[kind];
  let project: EngineProject | undefined;
  afterAll(() => project?.remove());
  const edit = (from: string, to: string) => {
    const file = path.join(project!.root, 'build.envd');
    const text = readFileSync(file, 'utf8');
    expect(text).toContain(from);
    writeFileSync(file, text.replace(from, to));
  };
  const outcomes = async (options = {}) => {
    const { layers } = await project!.build(options);
    return layers.map(({ name, outcome }) => `${name} ${outcome}`);
  };

  test.skipIf(!engine.available)('is built as written, and new code reuses the environment', async () => {
    if (!engine.available) return;
    const root = mkdtempSync(path.join(tmpdir(), 'imgbuild-aiges-'));
    cpSync(example, root, { recursive: true });
    const base = { reference: 'debian:12', platform: hostPlatform() };
    await writeBaseLayout(inject('rootfs').system, path.join(root, 'bases/debian'), base);
    project = new EngineProject(root, engine);
    // The base's own sources once more, with a comment by which they are known again.
    const own = await runChecked('tar', ['-xOf', inject('rootfs').system, './etc/apt/sources.list']);
    edit('def build():\n', `def build():\n    config.apt_source(source="""# marker\n${own.trim()}\n""")\n`);

    expect(await outcomes({ load: true })).toEqual([
      'yolo-system built',
      'yolo-python built',
      'yolo-run built',
      'yolo built',
    ]);
    expect((await project.docker('run', '--rm', 'yolo:v1.0.0')).trim()).toBe('application/pdf');

    const container = (await project.docker('create', 'yolo:v1.0.0')).trim();
    const image = path.join(root, 'image.tar');
    await project.docker('export', '--output', image, container);
    await project.docker('rm', container);
    const names = (await runChecked('tar', ['-tf', image])).split('\n');
    expect(names.filter((name) => /^dev\/shm\/./.test(name))).toEqual([]);
    expect(await runChecked('tar', ['-xOf', image, 'etc/apt/sources.list'])).toBe(own);

    writeFileSync(path.join(root, 'wrapper/labels.txt'), 'cat\n');
    expect(await outcomes()).toEqual(['yolo-system reused', 'yolo-python reused', 'yolo-run reused', 'yolo built']);
  });

  test.skipIf(!engine.available)('tells the line of build.envd whose command fails', async () => {
    edit('check("magic")', 'check("no_such_module")');
    const lines = readFileSync(path.join(project!.root, 'build.envd'), 'utf8').split('\n');
    const line = lines.findIndex((text) => text.includes('run(commands=')) + 1;
    const at = expect.objectContaining({ file: 'build.envd', line });
    await expect(outcomes()).rejects.toThrow(expect.objectContaining({ at }));
  });
});
