import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { blobOf } from './content.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-check-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const both = ['read', 'write'] as const;

test.each(both)('to %s: a folder that is not there, is empty or a layout is fine, and stays as it is', async (use) => {
  const store = new LayoutStore(join(folder, 'deep/store'));
  await store.check(use);
  expect(await readdir(folder)).toEqual([]);
  await mkdir(store.path, { recursive: true });
  await store.check(use);
  await store.putBlob('a', blobOf('x'));
  await store.check(use);
});

test.each(both)('to %s: a file in its place, or above it, is told', async (use) => {
  await writeFile(join(folder, 'store'), '');
  for (const path of ['store', 'store/below']) {
    await expect(new LayoutStore(join(folder, path)).check(use)).rejects.toMatchObject({
      kind: 'input',
      because: 'a file stands there, or in place of a folder above',
    });
  }
});

test.each(both)("to %s: somebody's own folder is told", async (use) => {
  await writeFile(join(folder, 'thesis.txt'), 'x');
  await expect(new LayoutStore(folder).check(use)).rejects.toMatchObject({
    kind: 'input',
    because: 'the folder holds thesis.txt and is no OCI image layout',
  });
});

test.each(both)('to %s: an index.json that cannot be read is told', async (use) => {
  const store = new LayoutStore(folder);
  await store.putBlob('a', blobOf('x'));
  await writeFile(join(folder, 'index.json'), '{');
  const told = { doing: `reading ${join(folder, 'index.json')}`, fix: expect.stringMatching(/^move .* away/) };
  await expect(store.check(use)).rejects.toMatchObject(told);
  const lent = new LayoutStore(join(folder, 'upper'));
  await expect(new OverlayStore(store, lent).check(use)).rejects.toMatchObject(told);
  await expect(new OverlayStore(lent, store).check(use)).rejects.toMatchObject(told);
});
