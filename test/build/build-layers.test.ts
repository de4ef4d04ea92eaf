import { expect, test } from 'vitest';
import { buildLayers, type BuildLayersRequest } from '../../src/build/build-layers.ts';

test('a build that cannot begin ends its engine, and says why, whatever the engine says of its end', async () => {
  const closed: string[] = [];
  const engine = {
    name: 'remote builder',
    close: async (how: string) => {
      closed.push(how);
      throw new Error('connection lost');
    },
  };
  const request = {
    planned: { builds: [] },
    engine,
    options: { load: ['app'], force: [], env: {} },
    signal: new AbortController().signal,
  } as unknown as BuildLayersRequest;
  await expect(buildLayers(request)).rejects.toThrow('remote builder has no local engine to leave images in');
  expect(closed).toEqual(['done']);
});
