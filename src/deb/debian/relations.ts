import { formatRelation, parseRelation, type RelationRules } from '../relation.ts';

/**
 * Splits a relationship field of debian/control into entries as the binary package has them: alternatives that are for
 * other architectures are left out. `build`: dpkg's name of the architecture. Throws a RangeError with what is wrong.
 */
export function readRelations(value: string, rules: RelationRules, architecture: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.replaceAll(/\s+/g, ' ').trim())
    .filter((entry) => entry !== '')
    .flatMap((entry) => {
      const alternatives = entry
        .split('|')
        .map((each) => each.trim())
        .flatMap((each) => {
          const match = /^(.*?)\s*\[([^\]]*)\]$/.exec(each);
          if (match === null) return [each];
          return matchesArchitecture(match[2]!, architecture) ? [match[1]!] : [];
        });
      return alternatives.length === 0 ? [] : [formatRelation(parseRelation(alternatives.join(' | '), rules))];
    });
}

/** `amd64 arm64`, or `!i386`; wildcards as linux-any and any-arm64. */
function matchesArchitecture(list: string, architecture: string): boolean {
  const names = list.split(/\s+/).filter((name) => name !== '');
  const isOf = (name: string) => new Set([architecture, 'any', 'linux-any', `any-${architecture}`]).has(name);
  const negative = names.filter((name) => name.startsWith('!')).map((name) => name.slice(1));
  return negative.length > 0 ? !negative.some(isOf) : names.some(isOf);
}
