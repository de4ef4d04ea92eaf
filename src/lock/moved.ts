import { familiar } from './lock-file.ts';
import type { Lock } from './lock.ts';

/** One thing of a lock that is other than before. Null: it was not there, or is not there any more. */
export interface Moved {
  kind: 'base' | 'syntax' | 'epoch' | 'package';
  name: string;
  platform?: string;
  from: string | null;
  to: string | null;
}

/** What differs between two locks, sorted by name. */
export function movedBetween(before: Lock, after: Lock): Moved[] {
  const old = flat(before);
  const young = flat(after);
  return [...new Set([...old.keys(), ...young.keys()])].toSorted().flatMap((key) => {
    const from = old.get(key);
    const to = young.get(key);
    if (from?.value === to?.value && from?.shape === to?.shape) return [];
    const { kind, name, platform } = (to ?? from)!;
    return [
      { kind, name, ...(platform === undefined ? {} : { platform }), from: from?.value ?? null, to: to?.value ?? null },
    ];
  });
}

function flat(lock: Lock) {
  type Item = { kind: Moved['kind']; name: string; platform?: string; value: string; shape: string };
  const found = new Map<string, Item>();
  for (const { reference, from, index, platforms } of lock.bases.values()) {
    for (const [platform, { identity, ...traits }] of platforms) {
      const name = familiar(reference);
      const shape = JSON.stringify([from, index, identity.kind, traits]);
      found.set(`base ${name} ${platform}`, { kind: 'base', name, platform, value: identity.digest, shape });
    }
  }
  for (const [name, value] of lock.syntaxes) found.set(`syntax ${name}`, { kind: 'syntax', name, value, shape: '' });
  for (const [name, value] of lock.epochs) found.set(`epoch ${name}`, { kind: 'epoch', name, value, shape: '' });
  return found;
}
