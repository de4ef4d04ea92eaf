import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { copyContent, repositoryOf } from '../../src/store/copy-image.ts';
import type { BlobPut } from '../../src/store/layer-store.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putImage } from './content.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-copy-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('after a failure no further blob is sent', async () => {
  const source = new LayoutStore(join(folder, 'source'));
  const image = await putImage(source, 'a', 't', ['1', '2', '3', '4', '5', '6', '7', '8']);
  let puts = 0;
  const target = new (class extends LayoutStore {
    override async putBlob(): Promise<BlobPut> {
      puts += 1;
      if (puts === 2) throw new Failure({ doing: 'saving', because: 'there is no right to write there' });
      await sleep(20);
      return { outcome: 'present' };
    }
  })(join(folder, 'target'));
  await expect(copyContent(repositoryOf(source, 'a'), image, target, 'a')).rejects.toThrow(/no right to write/);
  expect(puts).toBe(3);
});
