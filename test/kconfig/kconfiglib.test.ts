import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compareMany } from './compare.ts';
import { installKconfiglib } from './kconfiglib.ts';

const folder = mkdtempSync(join(tmpdir(), 'imgbuild-kconfiglib-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const kconfiglib = installKconfiglib(folder);

// `npm run soak -- kconfig` has the large count.
test.skipIf(!kconfiglib)(
  'generated trees and configurations come to what kconfiglib makes of them',
  { timeout: 300_000 },
  async () => {
    const { failures, configurations, refused } = await compareMany(kconfiglib!, 4242, 40);
    expect(failures).toEqual([]);
    expect(configurations).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(0);
  },
);
