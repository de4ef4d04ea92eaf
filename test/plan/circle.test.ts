import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { chain, newRepository, plan, type Tree } from './saved-project.ts';

/** Where the circle is shown, and what to do about it. */
async function circle(tree: Tree) {
  const folder = newRepository({ ...chain, ...tree });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const failure = await plan(folder).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof Failure)) throw failure;
  const { because, fix, at, exitCode } = failure;
  const place = at && `${at.file}:${at.line}:${at.column} ${at.text.slice(at.column - 1, at.column - 1 + at.length)}`;
  return { circle: because.split(':')[0], place, fix, exitCode };
}

test('a circle by FROM is shown at the FROM that leads down the file', async () => {
  expect(await circle({ 'docker/base/Dockerfile': '# a base\nFROM service_runtime\nRUN x\n' })).toEqual({
    circle: 'base → service → engine → base',
    place: 'docker/base/Dockerfile:2:6 service_runtime',
    fix: 'let base begin FROM an image that does not need base',
    exitCode: 2,
  });
});

test('a circle by COPY --from is shown at the COPY', async () => {
  const base = 'FROM debian:12\nRUN x\nCOPY --from=service_runtime /a /a\n';
  expect(await circle({ 'docker/base/Dockerfile': base })).toMatchObject({
    place: 'docker/base/Dockerfile:3:13 service_runtime',
    fix: 'take these files from an image that does not need base',
  });
});

test('a circle by RUN --mount=from is shown at the mount', async () => {
  const base = 'FROM debian:12\nRUN --mount=type=bind,from=service_runtime,target=/a x\n';
  expect(await circle({ 'docker/base/Dockerfile': base })).toMatchObject({
    place: expect.stringMatching(/^docker\/base\/Dockerfile:2:/),
    fix: 'take these files from an image that does not need base',
  });
});

test('a circle by needs: and FROM is shown at the need', async () => {
  const yaml = chain['imgbuild.yaml']!.replace('ubuntu_20.04" }', 'ubuntu_20.04", needs: [service] }');
  expect(await circle({ 'imgbuild.yaml': yaml })).toMatchObject({
    place: 'imgbuild.yaml:5:85 service',
    fix: 'take service out of the needs: of base',
  });
});

test('a layer that begins with its own image', async () => {
  expect(await circle({ 'docker/base/Dockerfile': 'FROM service_runtime_base:ubuntu_20.04\n' })).toMatchObject({
    circle: 'base → base',
    place: 'docker/base/Dockerfile:1:6 service_runtime_base:ubuntu_20.04',
    fix: 'let base begin FROM an image other than that of base',
  });
});
