import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeStateFolder } from '../../src/context/state-folder.ts';
import { temporaryFolder } from '../../src/context/temporary-folder.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'imgbuild-state-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Root may write anywhere: it goes on as nobody, who must get through the folders of temporary files. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  chmodSync(tmpdir(), 0o1777);
  chmodSync(root, 0o755);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

test('is made with what keeps it out of git', async () => {
  const folder = await makeStateFolder(root, 'debs');
  expect(existsSync(folder)).toBe(true);
  expect(readFileSync(join(root, '.imgbuild/.gitignore'), 'utf8')).toBe('*\n');
  expect(await makeStateFolder(root, 'debs')).toBe(folder);
});

test('that this user may not write to is an error that says so', async () => {
  mkdirSync(join(root, '.imgbuild'));
  chmodSync(join(root, '.imgbuild'), 0o555);
  await asNobody(async () => {
    await expect(makeStateFolder(root, 'release')).rejects.toMatchObject({
      name: 'Failure',
      doing: `making the folder ${join(root, '.imgbuild/release')}`,
      because: 'this user may not write there',
      fix: expect.stringContaining('right'),
    });
    // Files that only a build needs lie elsewhere then.
    const temporary = await temporaryFolder(root);
    expect(temporary.path.startsWith(root)).toBe(false);
    await temporary.remove();
  });
});

test('where a file is in the way is an error that says so', async () => {
  writeFileSync(join(root, '.imgbuild'), '');
  await expect(makeStateFolder(root, 'release')).rejects.toMatchObject({ because: 'a file is in the way' });
  await expect(temporaryFolder(root)).rejects.toMatchObject({ because: 'a file is in the way' });
});
