import { inject } from 'vitest';
import { RegistryStore } from '../../src/store/registry.ts';
import { describeSaving } from './saving.ts';

const { plain } = inject('registries');
describeSaving(
  'docker-registry 2.8',
  () => new RegistryStore(plain.host, 'acme/debs', { credentials: async () => undefined }),
);
