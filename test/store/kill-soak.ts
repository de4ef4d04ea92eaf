import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { LayoutStore } from '../../src/store/layout.ts';
import { findSaved, readInputs } from '../../src/store/saved-layer.ts';
import { fingerprintOf, tagKind } from '../../src/store/layer-tags.ts';

export interface SoakResult {
  /** Layers that writers said were saved. */
  acknowledged: number;
  /** Layers that are there besides: saved, and killed before it was said. */
  silent: number;
}

/**
 * Kills a writer at `count` random moments, one after the other in one store. After each: index.json is whole, every
 * layer that a writer said was saved is found with its digest, and all bytes of whatever is found are right.
 * Throws an Error that names the run. The same seed kills after the same pauses.
 */
export async function runKillSoak(options: { folder: string; seed: number; count: number }): Promise<SoakResult> {
  const random = randomFrom(options.seed);
  const store = new LayoutStore(join(options.folder, 'store'));
  const known = new Map<string, string>();
  let silent = 0;
  for (let run = 0; run < options.count; run++) {
    const where = `run ${run} of seed ${options.seed}`;
    await killedWriter(store.path, `${options.seed}-${run}`, Math.floor(random() * 300), known);
    if ((await store.listTags('service')).length > 0) {
      const index: unknown = JSON.parse(await readFile(join(store.path, 'index.json'), 'utf8'));
      if (typeof index !== 'object') throw new Error(`${where}: index.json is no object`);
    }
    for (const tag of await store.listTags('service')) {
      if (tagKind(tag) !== 'layer') continue;
      const fingerprint = fingerprintOf(tag)!;
      const found = await findSaved(store, 'service', fingerprint);
      if (found.kind !== 'saved') throw new Error(`${where}: ${tag} is ${found.kind}`);
      const said = known.get(fingerprint);
      if (said === undefined) silent += 1;
      else if (said !== found.digest) throw new Error(`${where}: ${tag} is ${found.digest}, not ${said}`);
      known.set(fingerprint, found.digest);
      for (const blob of [found.manifest.config, ...found.manifest.layers]) {
        const bytes = await store.openBlob('service', blob);
        bytes.resume();
        await finished(bytes);
      }
      const inputs = await readInputs(store, 'service', fingerprint);
      if (inputs?.[0]?.kind !== 'target') throw new Error(`${where}: the inputs of ${tag} cannot be read`);
    }
    for (const fingerprint of known.keys()) {
      const found = await findSaved(store, 'service', fingerprint);
      if (found.kind !== 'saved') throw new Error(`${where}: the saved layer ${fingerprint} is ${found.kind}`);
    }
  }
  return { acknowledged: known.size - silent, silent };
}

async function killedWriter(store: string, seed: string, pause: number, known: Map<string, string>): Promise<void> {
  const writer = spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.ts'), store, seed], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => writer.on('close', (_code, signal) => resolve(signal)));
  for await (const line of createInterface({ input: writer.stdout })) {
    if (line === 'ready') setTimeout(() => writer.kill('SIGKILL'), pause);
    const [fingerprint, digest] = line.split(' ');
    if (digest !== undefined) known.set(fingerprint!, digest);
  }
  if ((await ended) !== 'SIGKILL') throw new Error('the writer ended by itself');
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
