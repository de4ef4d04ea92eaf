import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFolderLock } from '../../src/store/folder-lock.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { putImage } from './content.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-overlay-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('others may write the folder while the store below is asked what it has', async () => {
  const below = new LayoutStore(join(folder, 'below'));
  const upper = new LayoutStore(join(folder, 'upper'));
  const image = await putImage(below, 'app', 'v1', ['one']);
  let free = 0;
  const slow: LayerStore = Object.create(below, {
    hasBlob: {
      async value(repository: string, digest: `sha256:${string}`) {
        await withFolderLock(join(upper.path, '.lock'), async () => void (free += 1));
        return below.hasBlob(repository, digest);
      },
    },
  }) as LayerStore;
  await new OverlayStore(upper, slow).putManifest('app', 'v2', image);
  expect(free).toBeGreaterThan(0);
  expect((await upper.getManifest('app', 'v2'))?.descriptor.digest).toBe(image.descriptor.digest);
});
