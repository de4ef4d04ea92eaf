import type { Config, StoreAddress } from '../config/config.ts';
import { findConfig } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import type { FileKeeper } from '../fetch/blob-cache.ts';
import type { Lock } from '../lock/lock.ts';
import { readLock } from '../lock/lock-file.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { openStore } from '../store/open.ts';

/** A repository that imgbuild works on: what it declares, what it has locked, and where its layers are saved. */
export interface Project {
  config: Config;
  lock: Lock;
  store: LayerStore;
  /** Has what other machines fetched for models. */
  keeper?: FileKeeper;
}

export interface ProjectPlace {
  /** Absolute; imgbuild.yaml is looked for here and in the folders above. */
  directory: string;
  /** Absolute path of imgbuild.yaml, where it is named. */
  file?: string | undefined;
  /** In the place of the file's, which need not be there. */
  text?: string | undefined;
  /** Where layers are saved when imgbuild.yaml names no store. */
  defaultStore?: StoreAddress | undefined;
  /** Ends what is asked of a registry. */
  signal?: AbortSignal | undefined;
}

export async function openProject({ directory, file, text, defaultStore, signal }: ProjectPlace): Promise<Project> {
  const config = await loadConfig(file ?? (await findConfig(directory)), { defaultStore, text });
  const [lock, store] = await Promise.all([
    readLock(config.root),
    openStore(config.store, signal && { registry: { signal } }),
  ]);
  return { config, lock, store };
}
