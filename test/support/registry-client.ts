import { afterEach, beforeEach } from 'vitest';
import { RegistryClient, type ClientOptions } from '../../src/registry/client.ts';
import { startMemoryRegistry, type MemoryRegistry } from './registry-memory.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { putImage } from '../store/content.ts';

/** Tries again soon. */
export const retry = { attempts: 4, first: 5, longest: 20, patience: 3000 };
/** In memory, for each test another. */
export let registry: MemoryRegistry;
/** Milliseconds that clients have waited before they tried again. */
export const pauses: number[] = [];

beforeEach(async () => {
  registry = await startMemoryRegistry();
  pauses.length = 0;
});
afterEach(() => registry.close());

export function client(options: ClientOptions = {}): RegistryClient {
  return new RegistryClient(registry.host, {
    retry,
    credentials: async () => undefined,
    onRetry: (_error, pause) => pauses.push(pause),
    ...options,
  });
}

/** Puts an image there. */
export async function image(reference = 'v1') {
  return putImage(new RegistryStore(registry.host, '', {}, client()), 'app', reference, ['one']);
}
