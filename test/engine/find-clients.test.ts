import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findClients } from '../../src/engine/detect.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-clients-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('docker clients are programs on PATH, each once: no folders, nothing that cannot be run', async () => {
  const [project, notes, first, second] = ['project', 'notes', 'first', 'second'].map((name) => join(folder, name));
  await mkdir(join(project!, 'docker'), { recursive: true });
  for (const each of [notes!, first!, second!]) await mkdir(each);
  await writeFile(join(notes!, 'docker'), 'what I know', { mode: 0o644 });
  await writeFile(join(first!, 'docker'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink(join(first!, 'docker'), join(second!, 'docker'));
  const PATH = [project, notes, first, second, join(folder, 'nowhere')].join(delimiter);
  const found = await findClients({ PATH });
  expect(found.filter((path) => path.startsWith(folder))).toEqual([join(first!, 'docker')]);
});
