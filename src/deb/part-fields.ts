import type { Draft } from './draft.ts';
import type { DeclaredFields } from './fields.ts';
import { partName } from './split.ts';

/** An earlier version may have had so many more parts. */
const formerParts = 8;

/**
 * Parts depend on each other in the exact version, and may take files over from each other, and from parts that there
 * are no more: where one ends moves with every change of the contents.
 */
export function partFields({ fields, version }: Draft, names: readonly string[], index: number): DeclaredFields {
  if (names.length === 1) return fields;
  const exact = (name: string) => `${name} (= ${version})`;
  const others = names.filter((_, other) => other !== index);
  const former = Array.from({ length: formerParts }, (_, more) => partName(names[0]!, names.length + more));
  if (index === 0) {
    return {
      ...fields,
      depends: [...fields.depends, ...others.map(exact)],
      replaces: [...fields.replaces, ...others, ...former],
    };
  }
  const { maintainer, section, priority, homepage, source, extended } = fields;
  return {
    maintainer,
    section,
    ...(priority === undefined ? {} : { priority }),
    ...(homepage === undefined ? {} : { homepage }),
    ...(source === undefined ? {} : { source }),
    depends: [exact(names[0]!)],
    recommends: [],
    conflicts: [],
    replaces: [...others, ...former],
    provides: [],
    synopsis: `${fields.synopsis} (part ${index + 1} of ${names.length})`,
    extended,
  };
}
