import type { Config } from '../config/config.ts';
import type { Needs } from '../lock/resolve.ts';
import { neededBases, type Chain } from '../plan/chain.ts';

/** What the chain needs of the outside world: what imgbuild.lock is about. */
export function needsOf(config: Config, chain: Chain): Needs {
  const syntaxes = chain.links.flatMap(({ dockerfile }) =>
    dockerfile.directives.flatMap((directive) =>
      directive.name === 'syntax' ? [{ reference: directive.value, at: directive.at }] : [],
    ),
  );
  const epochs = config.layers.flatMap(({ name, refresh }) =>
    refresh === undefined ? [] : [{ layer: name, refresh }],
  );
  return { bases: neededBases(chain.links), syntaxes, epochs };
}
