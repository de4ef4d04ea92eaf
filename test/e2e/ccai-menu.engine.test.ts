import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { runChecked } from '../../src/process/run.ts';
import { imgbuildDone, imgbuildJson } from './cli.ts';

const example = path.resolve(import.meta.dirname, '../../examples/ccai');
const mood = `import app
(scores,) = app.session.run(["scores"], {"words": app.features("I love it")})
print(app.LABELS[int(scores[0].argmax())])`;

interface Report {
  layers: { name: string; outcome: string }[];
}

// Python, numpy and onnxruntime come from the distribution and from PyPI.
describe('examples/ccai', { timeout: 900_000 }, () => {
  const engine = inject('engines').current;
  const env: Record<string, string> = engine.available ? { ...engine.env } : {};
  let root: string;
  const build = async (...args: string[]) => {
    const { layers } = await imgbuildJson<Report>(root, env, 'build', '--load', ...args);
    return layers.map(({ name, outcome }) => `${name} ${outcome}`);
  };

  beforeAll(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'imgbuild-ccai-'));
    cpSync(example, root, { recursive: true });
    const base = { reference: 'debian:12', platform: hostPlatform() };
    await writeBaseLayout(inject('rootfs').system, path.join(root, 'bases/debian'), base);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test.skipIf(!engine.available)('is built by what its users type, and a toggle builds what it reaches', async () => {
    const inService = (...command: string[]) =>
      runChecked('docker', ['run', '--rm', '--workdir', '/srv', 'service_runtime', ...command], { env });
    await imgbuildDone(root, env, 'options', 'defconfig');
    await imgbuildDone(root, env, 'lock');
    expect(await build('openvino_image')).toEqual(['base built', 'engine built']);
    expect(await build('image')).toEqual(['base reused', 'engine reused', 'service built']);
    expect(await inService('python3', '-c', mood)).toBe('happy\n');
    expect(await inService('printenv', 'RESTFUL_SAMPLE')).toBe('n\n');

    await imgbuildDone(root, env, 'options', 'set', 'RESTFUL_SAMPLE=y');
    expect(await build('image')).toEqual(['base reused', 'engine reused', 'service built']);
    expect(await inService('printenv', 'RESTFUL_SAMPLE')).toBe('y\n');

    await imgbuildDone(root, env, 'options', 'set', 'ONNX=n');
    const { layers } = await imgbuildJson<Plan>(root, env, 'plan');
    expect(layers.map(({ name, action }) => `${name} ${action}`)).toEqual([
      'base reuse',
      'engine build',
      'service build',
    ]);
  });
});
