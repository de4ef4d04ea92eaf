import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeLayout, putImage, type Blobs } from '../lock/images.ts';
import { chain, newRepository, outcomes, plan, saveAll, writeTree } from './saved-project.ts';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
const imgbuild = (folder: string, ...args: string[]) =>
  spawnSync(process.execPath, [main, '-C', folder, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });

/** A repository with one layer on a base whose ONBUILD trigger copies from an image that stands nowhere else. */
async function repository(trigger: string): Promise<string> {
  const folder = newRepository({
    'imgbuild.yaml': `version: 1
name: demo
platforms: [linux/amd64]
bases: { "framework:1": "oci:./bases/framework", "tools:1": "oci:./bases/tools" }
layers:
  app: { context: app }
  other: { context: other }
`,
    'app/Dockerfile': 'FROM framework:1\n',
    'other/Dockerfile': 'FROM scratch\nCOPY a /\n',
    'other/a': 'a',
  });
  for (const [name, config] of [
    ['framework', { OnBuild: [trigger] }],
    ['tools', { Env: ['A=1'] }],
  ] as const) {
    const blobs: Blobs = new Map();
    await writeLayout(path.join(folder, 'bases', name), blobs, [putImage(blobs, 'linux/amd64', config)]);
  }
  return folder;
}

describe("an image that only a base's ONBUILD trigger names", () => {
  test('is locked, and plan needs no other', async () => {
    const folder = await repository('COPY --from=tools:1 /bin/tool /bin/');
    expect(imgbuild(folder, 'lock')).toMatchObject({ status: 0 });
    const lock = readFileSync(path.join(folder, 'imgbuild.lock'), 'utf8');
    expect([...lock.matchAll(/"base":"([^"]+)"/g)].map(([, base]) => base)).toEqual(['framework:1', 'tools:1']);
    const { builds } = await plan(folder);
    expect(builds[0]!.inputs.inputs.filter(({ kind }) => kind === 'base')).toMatchObject([
      { reference: 'framework:1' },
      { reference: 'tools:1' },
    ]);
  });

  test('is looked up by a plan without a lock, which says so', async () => {
    const folder = await repository('COPY --from=tools:1 /bin/tool /bin/');
    const { status, stderr } = imgbuild(folder, 'plan', '--json');
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr:
        'imgbuild.lock lacks framework:1 (linux/amd64), looked up now: `imgbuild lock` writes it down\n' +
        'imgbuild.lock lacks tools:1 (linux/amd64), looked up now: `imgbuild lock` writes it down\n',
    });
    expect(imgbuild(folder, 'plan', '--frozen')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('imgbuild.lock has no linux/amd64 of framework:1'),
    });
  });

  test("is another layer's: the edge is found", async () => {
    const folder = await repository('COPY --from=other /a /');
    imgbuild(folder, 'lock');
    expect((await plan(folder)).plan.layers.map(({ name, parents }) => [name, parents])).toEqual([
      ['other', []],
      ['app', ['other']],
    ]);
  });
});

test("an image that a layer's ONBUILD trigger names is an edge of the layers on it", async () => {
  const folder = newRepository({
    ...chain,
    'docker/engine/Dockerfile': 'FROM service_runtime_base:ubuntu_20.04\nONBUILD COPY --from=tools /t /\n',
    'docker/tools/Dockerfile': 'FROM scratch\nCOPY t /\n',
    'docker/tools/t': 't',
    'imgbuild.yaml': `${chain['imgbuild.yaml']}  tools: { context: docker/tools }\n`,
  });
  await saveAll(folder);
  writeTree(folder, { 'docker/tools/t': 'other' });
  expect(await outcomes(folder)).toEqual([
    'base reuse',
    'engine reuse',
    'tools build: file-changed docker/tools/t',
    'service build: parent-changed tools',
  ]);
});

test('a layer that takes another for a platform that is not its own is refused', async () => {
  const folder = newRepository({
    ...chain,
    'docker/engine/Dockerfile': 'FROM --platform=linux/arm64 service_runtime_base:ubuntu_20.04\n',
    'imgbuild.yaml': `${chain['imgbuild.yaml']}platforms: [linux/amd64, linux/arm64]\n`,
  });
  await expect(plan(folder)).rejects.toMatchObject({ kind: 'input', fix: expect.stringMatching(/--platform/) });
});
