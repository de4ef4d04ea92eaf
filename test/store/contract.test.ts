import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { describeStore } from './contract.ts';

let folder: string;
let registry: MemoryRegistry;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-contract-'));
  registry = await startMemoryRegistry();
  registry.pageSize = 3;
});
afterAll(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

describeStore('folder', () => new LayoutStore(join(folder, 'layout')), {
  sharing: 'present',
  repositories: 'together',
});
describeStore('registry in memory', () => new RegistryStore(registry.host, 'acme/ccai'), {
  sharing: 'mounted',
  repositories: 'apart',
});
describeStore('registry in memory, as a whole', () => new RegistryStore(registry.host, ''), {
  sharing: 'mounted',
  repositories: 'apart',
});
describeStore(
  'overlay of a registry and a folder',
  () => new OverlayStore(new LayoutStore(join(folder, 'overlay')), new RegistryStore(registry.host, 'acme/ccai')),
  { sharing: 'present', repositories: 'together' },
);
