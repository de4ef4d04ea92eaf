import type { Config } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { Draft } from './draft.ts';
import { noSuchPackage } from './no-such-package.ts';
import { parseRelation } from './relation.ts';

/** Names of packages, or of entries with `from`, that are on or off for this call. */
export interface Choice {
  on: readonly string[];
  off: readonly string[];
}

/** Throws a Failure for a name that there is not, or that is to be both. */
export function applyChoice(config: Config, drafts: readonly Draft[], { on, off }: Choice): void {
  const both = on.find((name) => off.includes(name));
  if (both !== undefined) {
    const because = 'it cannot be on and off';
    throw new Failure({ doing: `choosing ${both}`, because, fix: 'leave out --on or --off', kind: 'input' });
  }
  const named = (name: string) => {
    const found = drafts.filter((draft) => draft.name === name);
    const inEntry = drafts.filter(({ of }) => of.name === name && of.from !== undefined);
    if (found.length + inEntry.length === 0) throw noSuchPackage(config, drafts, name, 'choosing');
    return found.length > 0 ? found : inEntry;
  };
  // A package by its own name wins over its entry.
  for (const pass of ['entry', 'name']) {
    const isOf = (name: string) => drafts.some((draft) => draft.name === name) === (pass === 'name');
    for (const draft of on.filter(isOf).flatMap(named)) draft.off = undefined;
    for (const draft of off.filter(isOf).flatMap(named)) draft.off = 'call';
  }
}

/** Packages that are on, and need one that is off: nobody could install them. */
export function needsOfOff(drafts: readonly Draft[]): Failure[] {
  const off = new Set(drafts.filter((draft) => draft.off !== undefined).map(({ name }) => name));
  const on = drafts.filter((draft) => draft.off === undefined);
  for (const { fields } of on) {
    for (const provided of fields.provides) off.delete(provided.replace(/[ :(].*$/, ''));
  }
  return on.flatMap((draft) =>
    (['depends', 'preDepends'] as const).flatMap((field) =>
      (draft.fields[field] ?? []).flatMap((entry, index) => {
        const names = parseRelation(entry, { alternatives: true, operators: 'any' }).map(({ name }) => name);
        if (!names.every((name) => off.has(name))) return [];
        const needed = names.join(' and ');
        const because = `${draft.name} depends on ${needed}, which ${names.length > 1 ? 'are' : 'is'} off`;
        const fix = `put ${names[0]} on, or ${draft.name} off (--on ${names[0]}, --off ${draft.name})`;
        return [draft.relationTrouble(field, index, because, fix)];
      }),
    ),
  );
}
