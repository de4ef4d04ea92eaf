import { replaceFile } from '../files/durable-write.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Progress } from '../progress.ts';
import type { LayerStore } from '../store/layer-store.ts';

/**
 * Writes a blob of a saved artifact to a file, checked while it streams, whole or not at all: how what is reused gets
 * where what is made would lie.
 */
export async function restoreFile(
  store: LayerStore,
  repository: string,
  blob: Pick<Descriptor, 'digest' | 'size'>,
  path: string,
  options: { name: string; progress: Progress; signal?: AbortSignal | undefined },
): Promise<void> {
  const transfer = options.progress.transfer(`taking ${options.name} from ${store.name}`, blob.size);
  try {
    const stream = await store.openBlob(repository, blob, options.signal);
    await replaceFile(path, async (handle) => {
      for await (const chunk of stream) {
        await handle.writeFile(chunk as Uint8Array);
        transfer.add((chunk as Uint8Array).length);
      }
    });
  } finally {
    transfer.end();
  }
}
