import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeltaOutput } from '../../src/actions/delta-output.ts';
import { hostPlatform, platformName } from '../../src/oci/platform.ts';
import { yankRelease } from '../../src/release/release-store.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';
import { releaseSample } from './sample-release.ts';

const here = platformName(hostPlatform());
const other = here === 'linux/arm64' ? 'linux/amd64' : 'linux/arm64';

let workspace: string;
const results: ActionResult[] = [];
beforeEach(() => {
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  writeFileSync(
    path.join(workspace, 'imgbuild.yaml'),
    `version: 1\nname: app\nplatforms: [${here}, ${other}, linux/riscv64]\nlayers:\n  app: { context: ., image: app }\n`,
  );
  writeFileSync(path.join(workspace, 'Dockerfile'), 'FROM scratch\nCOPY imgbuild.yaml /\n');
});
afterEach(() => {
  for (const result of results.splice(0)) removeJob(result);
  rmSync(workspace, { recursive: true, force: true });
});

const release = (version: string, platforms: string[]) =>
  releaseSample(new LayoutStore(path.join(workspace, '.imgbuild/store')), version, platforms);

async function diff(from: string, to: string, more: Record<string, string> = {}): Promise<ActionResult> {
  const result = await runAction('ota-diff', workspace, { from, to, 'allow-unsigned': 'true', ...more });
  results.push(result);
  return result;
}

test('a platform that a former release has no image for stops no delta of another', async () => {
  await release('1.0.0', [here]);
  await release('1.1.0', [here, other]);
  const { exitCode, outputs, log, annotations, summary } = await diff('1.0.0', 'v1.1.0');
  expect(exitCode, log).toBe(0);
  const [made] = JSON.parse(outputs.deltas!) as [DeltaOutput];
  expect(made).toMatchObject({ from: '1.0.0', to: '1.1.0', platform: here, referrers: [] });
  expect(made.path).toBe(path.join(outputs.directory!, made.file));
  expect(made.size).toBe(readFileSync(made.path).length);
  expect(made.layers).toMatchObject([{ image: 'app:1.1.0', kind: expect.stringMatching(/delta|whole/) }]);
  expect(made.layers.reduce((sum, { pull }) => sum + pull, 0)).toBe(made.pull);
  expect(made.ratio).toBeCloseTo(made.size / made.pull, 3);
  const page = (JSON.parse(outputs.deltas!) as { file: string }[])[0]!.file.replace('.ota.tar', '.html');
  expect(readFileSync(path.join(outputs.directory!, page), 'utf8')).toContain('</svg>');
  expect(summary).toContain('as a picture');
  const why = 'Not by the device program: this action comes from no repository whose releases would have it';
  expect(summary).toMatch(new RegExp(`Applied by imgbuild.s own decoder .*without an engine.*${why}`));
  expect(annotations).toMatchObject([
    { level: 'warning', message: `1.0.0 has no image for ${other}: no delta to v1.1.0 is made for it` },
  ]);
});

test('releases without a platform in common are refused', async () => {
  await release('1.0.0', [other]);
  await release('1.1.0', [here]);
  const { exitCode, annotations } = await diff('1.0.0', '1.1.0');
  expect(exitCode).toBe(1);
  expect(annotations.at(-1)!.message).toContain('1.1.0 has images for no platform that 1.0.0 has images for');
});

test('a release that is not there is told as that', async () => {
  await release('1.0.0', [here]);
  const { exitCode, annotations } = await diff('1.0.0', '1.1.0');
  expect(exitCode).toBe(1);
  expect(annotations.at(-1)!.message).toContain('the store has no such release');
});

test('`previous` and `last 2` are releases before, and none that is yanked', async () => {
  for (const version of ['1.0.0', '1.1.0', '1.2.0', '1.3.0']) await release(version, [here]);
  await yankRelease(new LayoutStore(path.join(workspace, '.imgbuild/store')), '1.2.0');
  const made = async (from: string) => {
    const { exitCode, outputs, log } = await diff(from, '1.3.0');
    expect(exitCode, log).toBe(0);
    return (JSON.parse(outputs.deltas!) as { from: string }[]).map((delta) => delta.from);
  };
  expect(await made('previous')).toEqual(['1.1.0']);
  expect(await made('last 2, none')).toEqual(['1.1.0', '1.0.0', 'none']);
  const { exitCode, annotations } = await diff('previous', '1.0.0');
  expect(exitCode).toBe(1);
  expect(annotations.at(-1)!.message).toContain('has no release before it');
});

test('a delta over its budget fails the job once it is made, or warns', async () => {
  await release('1.0.0', [here]);
  await release('1.1.0', [here]);
  const failed = await diff('1.0.0', '1.1.0', { 'max-size': '4 kB' });
  expect(failed.exitCode).toBe(1);
  expect(JSON.parse(failed.outputs.deltas!)).toHaveLength(1);
  expect(failed.annotations.at(-1)!.message).toMatch(/from 1\.0\.0 to 1\.1\.0 has .* more than max-size \(4\.0 kB\)/);
  const warned = await diff('1.0.0', '1.1.0', { 'max-ratio': '0.5', 'over-budget': 'warn' });
  expect(warned.exitCode, warned.log).toBe(0);
  expect(warned.annotations).toMatchObject([
    { level: 'warning', message: expect.stringMatching(/max-ratio \(0\.5\)/) },
  ]);
  expect((await diff('1.0.0', '1.1.0', { 'max-size': '1 GB', 'max-ratio': '9' })).exitCode).toBe(0);
  const wrong = await diff('1.0.0', '1.1.0', { 'max-size': 'small' });
  expect(wrong.annotations.at(-1)!.message).toContain('"small" is no size');
});

test('a store in a folder is no place to publish to: nothing is made', async () => {
  await release('1.0.0', [here]);
  await release('1.1.0', [here]);
  const { exitCode, annotations, outputs } = await diff('1.0.0', '1.1.0', { push: 'true' });
  expect(exitCode).toBe(1);
  expect(annotations.at(-1)!.message).toContain('a folder has no referrers');
  expect(outputs.deltas).toBeUndefined();
});
