import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { blobOf, putImage } from './content.ts';

/** utimensat(2): only the owner of a file, or root, may set its times. */
vi.mock(import('node:fs/promises'), async (original) => ({
  ...(await original()),
  utimes: () => Promise.reject(Object.assign(new Error('EPERM: operation not permitted, utime'), { code: 'EPERM' })),
}));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-shared-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what another user saved is there for this one, and young again', async () => {
  const store = new LayoutStore(folder);
  const { descriptor } = await putImage(store, 'app', 'v1', ['one']);
  const blob = blobOf('one');
  const longAgo = new Date('2020-01-01');
  for (const { digest } of [blob, descriptor]) utimesSync(store.blobPath(digest), longAgo, longAgo);
  expect(await store.putBlob('app', blob)).toEqual({ outcome: 'present' });
  await putImage(store, 'app', 'v2', ['one']);
  for (const { digest } of [blob, descriptor]) {
    expect(statSync(store.blobPath(digest)).mtimeMs).toBeGreaterThan(longAgo.getTime());
  }
  expect(readFileSync(store.blobPath(blob.digest), 'utf8')).toBe('one');
});
