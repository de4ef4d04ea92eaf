import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { Failures } from '../../src/failure.ts';

/** A repository with three Dockerfiles, for each test another. */
export let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgbuild-config-'));
  for (const name of ['base', 'engine', 'service']) {
    await mkdir(join(root, 'docker', name), { recursive: true });
    await writeFile(join(root, 'docker', name, 'Dockerfile'), 'FROM scratch\n');
  }
});
afterEach(() => rm(root, { recursive: true }));

/** Of imgbuild.yaml with this text, in that repository. */
export async function load(text: string) {
  await writeFile(join(root, 'imgbuild.yaml'), text);
  return loadConfig(join(root, 'imgbuild.yaml'), { defaultPlatform: { os: 'linux', architecture: 'amd64' } });
}

/** `line:column+length because | fix`, one a failure. */
export async function errorsOf(text: string): Promise<string[]> {
  const error = await load(text).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Failures);
  return (error as Failures).failures.map(({ at, because, fix, kind }) => {
    expect(kind).toBe('input');
    expect(at!.file).toBe('imgbuild.yaml');
    expect(at!.text).toBe(text.split('\n')[at!.line - 1]);
    return `${at!.line}:${at!.column}+${at!.length} ${because} | ${fix}`;
  });
}

/** What each file begins with. */
export const head = 'version: 1\nname: ccai\n';
export const layers = (...lines: string[]) => `${head}layers:\n${lines.map((line) => `  ${line}\n`).join('')}`;
