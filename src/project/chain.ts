import type { Config } from '../config/config.ts';
import type { Lock } from '../lock/lock.ts';
import type { Needs } from '../lock/resolve.ts';
import { readChain, type Chain } from '../plan/chain.ts';
import { needsOf } from './needs.ts';

/**
 * The chain with a lock that has all it needs. `look` is asked for what the Dockerfiles name, and once more, with what
 * it found, where ONBUILD triggers of a base name further images: these can only be copied from, so they bring none.
 */
export async function lockedChain(
  config: Config,
  look: (needs: Needs, found?: Lock) => Promise<Lock>,
): Promise<{ chain: Chain; lock: Lock }> {
  const written = await readChain(config);
  const lock = await look(needsOf(config, written));
  const platforms = [...lock.bases.values()].flatMap((base) => [...base.platforms.values()]);
  if (platforms.every(({ onbuild }) => onbuild.length === 0)) return { chain: written, lock };
  const chain = await readChain(config, lock);
  return { chain, lock: await look(needsOf(config, chain), lock) };
}
