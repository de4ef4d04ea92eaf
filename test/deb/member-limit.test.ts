import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { pack } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

// The format's own limit is 10 GB: all that is known before is tested with it, the rest with a lower one.
vi.mock('../../src/deb/ar.ts', async (original) => ({
  ...(await original<typeof import('../../src/deb/ar.ts')>()),
  arMaxSize: 1_500_000,
}));

test.each(['auto', 'zstd', 'gzip', 'xz', 'none'])(
  'data that pass the ar format while they are written are refused with %s, with the advice to split',
  async (compression) => {
    const data = { compression, contents: [{ src: 'data', dst: '/opt/data' }] };
    const config = makeProject({ 'ccai-data': deb(data) }, { 'data/a': randomBytes(2_000_000), 'data/b': 'b' });
    const directory = join(config.root, 'out');
    await expect(pack(config, { directory })).rejects.toMatchObject({
      because: expect.stringMatching(/and the format ends at 1500000$/),
      fix: expect.stringContaining('split: '),
    });
    expect(readdirSync(config.root).includes('out') ? readdirSync(directory) : []).toEqual([]);
  },
  // xz takes its time on a busy machine.
  120_000,
);
