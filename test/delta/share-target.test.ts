import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { wholeRoom, type Room } from '../../src/delta/kept-tars.ts';
import { makeDelta } from '../../src/delta/make.ts';
import { withSharedTarget } from '../../src/delta/share-target.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { app, base, folder, newApp, put } from '../support/made-bundle.ts';

const opening = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no release is named here');
  },
});

/** Tells how often each filesystem layer is unpacked from where it lies. */
function counted(set: ImageSet): { set: ImageSet; readings: Map<string, number> } {
  const readings = new Map<string, number>();
  const images = set.images.map((image) => ({
    ...image,
    layers: image.layers.map((layer) => ({
      ...layer,
      tar() {
        readings.set(layer.diffId, (readings.get(layer.diffId) ?? 0) + 1);
        return layer.tar();
      },
    })),
  }));
  return { set: { ...set, images }, readings };
}

test('several deltas read the target once, and are those that each would be alone', async () => {
  put('first.tar', [base]);
  put('second.tar', [base, app]);
  put('new.tar', [base, newApp]);
  const opened = await openImages('oci-archive:new.tar', opening());
  const { set, readings } = counted(opened);
  const makeFrom = async (name: string, to: ImageSet, output: string, room = wholeRoom()) => {
    const from = await openImages(`oci-archive:${name}.tar`, opening());
    const { signal } = new AbortController();
    await makeDelta({ from, to, output: join(folder, output), progress: silent, signal, room });
    await from.close();
  };
  let shareOf: Room | undefined;
  await withSharedTarget(set, 2, folder, async (shared, room) => {
    shareOf = room;
    await makeFrom('first', shared, 'first.ota.tar', room);
    expect(room.left).toBe(wholeRoom().left - newApp.length);
    await makeFrom('second', shared, 'second.ota.tar', room);
    expect(room.left).toBe(wholeRoom().left - newApp.length);
  });
  expect(shareOf).toEqual(wholeRoom());
  expect([...readings.values()]).toEqual([1]);
  for (const name of ['first', 'second']) {
    await makeFrom(name, opened, 'alone.ota.tar');
    const bytes = (file: string) => readFileSync(join(folder, file));
    expect(bytes(`${name}.ota.tar`).equals(bytes('alone.ota.tar'))).toBe(true);
  }
  await opened.close();
  expect(readdirSync(folder).filter((name) => name.startsWith('.imgbuild-'))).toEqual([]);
});
