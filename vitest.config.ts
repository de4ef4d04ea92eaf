import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defineConfig } from 'vitest/config';

// What tests leave behind lies in one folder, which test/support/temporary-folder.ts removes at the end.
const temporary = mkdtempSync(path.join(tmpdir(), 'imgbuild-tests-'));
process.env.IMGBUILD_TEST_FOLDER = temporary;

export default defineConfig({
  test: {
    testTimeout: 30_000,
    env: { TMPDIR: temporary },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          globalSetup: ['test/support/temporary-folder.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{engine,registry,workflow}.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'registry',
          include: ['test/**/*.registry.test.ts'],
          globalSetup: ['test/support/temporary-folder.ts', 'test/support/registry-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'engine',
          include: ['test/**/*.engine.test.ts'],
          globalSetup: ['test/support/temporary-folder.ts', 'test/support/engine-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // They share two engines, which some of them empty.
          maxWorkers: 1,
        },
      },
      {
        extends: true,
        test: {
          name: 'workflow',
          include: ['test/**/*.workflow.test.ts'],
          globalSetup: ['test/support/temporary-folder.ts', 'test/support/workflow-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
        },
      },
    ],
  },
});
