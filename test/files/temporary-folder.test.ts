import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeTemporaryFolder, withTemporaryFolder } from '../../src/files/temporary-folder.ts';
import { leftFolder } from '../support/left-folder.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'imgbuild-parent-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test('what a killed process left is removed by the next one, what runs keeps its own', async () => {
  const mine = await makeTemporaryFolder(parent, '.imgbuild-');
  const name = leftFolder(parent, '.imgbuild-');
  expect(readdirSync(parent).toSorted()).toEqual([basename(mine.path), name].toSorted());
  mkdirSync(join(parent, '.imgbuild-notes'));
  await withTemporaryFolder(parent, async (folder) => {
    expect(readdirSync(parent).toSorted()).toEqual(
      [basename(mine.path), basename(folder), '.imgbuild-notes'].toSorted(),
    );
  });
  await mine.remove();
  expect(readdirSync(parent)).toEqual(['.imgbuild-notes']);
});

test('a folder of another container is left alone while it is alive, whatever its process is called there', async () => {
  // Of process 1 of another boot: here another process has that number.
  const foreign = `context-${'0'.repeat(12)}-1-1-${'a'.repeat(12)}`;
  const gone = `context-${'0'.repeat(12)}-999999999-1-${'b'.repeat(12)}`;
  for (const name of [foreign, gone]) mkdirSync(join(parent, name));
  const first = await makeTemporaryFolder(parent, 'context-');
  expect(readdirSync(parent)).toContain(gone);
  const longAgo = new Date(Date.now() - 5 * 60_000);
  utimesSync(join(parent, gone), longAgo, longAgo);
  const second = await makeTemporaryFolder(parent, 'context-');
  expect(readdirSync(parent).toSorted()).toEqual(
    [first, second]
      .map(({ path }) => basename(path))
      .concat(foreign)
      .toSorted(),
  );
  await first.remove();
  await second.remove();
});
