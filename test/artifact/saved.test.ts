import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planArtifact } from '../../src/artifact/plan.ts';
import { Failure } from '../../src/failure.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { describeSaving } from './saving.ts';

let registry: MemoryRegistry;
beforeAll(async () => {
  registry = await startMemoryRegistry();
});
afterAll(() => registry.close());
const inRegistry = () =>
  new RegistryStore(registry.host, 'acme/ccai', {
    credentials: async () => undefined,
    retry: { attempts: 2, first: 2, longest: 5, patience: 100 },
  });

describeSaving('a folder', () => new LayoutStore(join(mkdtempSync(join(tmpdir(), 'imgbuild-artifact-')), 'store')));
describeSaving('a registry', inRegistry);

describe('a registry that cannot be asked', () => {
  test.each([{ status: 500 }, { status: 403 }, { cut: 0 }])(
    '%j is an error, and nothing is made on a guess',
    async (fault) => {
      registry.fault = () => fault;
      const request = { store: inRegistry(), repository: 'debs/a', inputs: [], branches: ['main'] };
      await expect(planArtifact(request)).rejects.toBeInstanceOf(Failure);
      registry.fault = () => undefined;
    },
  );
});
