import type { Failure } from '../failure.ts';
import { wrongAt } from './issues.ts';
import { knowsZstd } from './suite.ts';
import type { YamlSource } from './yaml-source.ts';

/** What a debian/ folder says itself. */
const declaredThere = [
  'service',
  'description',
  'maintainer',
  'section',
  'architecture',
  'depends',
  'recommends',
  'conflicts',
  'replaces',
  'provides',
  'license',
  'run',
  'contents',
  'tree',
  'units',
  'sysusers',
  'tmpfiles',
  'scripts',
  'changelog',
  'copyright',
];

const needed = { description: 'CCAI service', maintainer: 'CCAI team <team@example.com>' };

/** Which keys of a package go together. `debs`: as written, whatever is wrong with it. */
export function debRules(debs: Record<string, unknown>, source: YamlSource, file: string): Failure[] {
  return Object.entries(debs).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    const keys = value as Record<string, unknown>;
    const wrong = (key: string | undefined, because: string, fix: string, part: 'key' | 'value' = 'key') =>
      wrongAt(file, source.locate(key === undefined ? ['debs', name] : ['debs', name, key], part), because, fix);
    const failures: Failure[] = [];
    if (keys.compression === 'zstd' && Array.isArray(keys.suites) && !knowsZstd(keys.suites)) {
      failures.push(wrong('compression', 'dpkg of one of the suites lacks zstd', 'write auto or xz', 'value'));
    }
    if ('from' in keys) {
      const twice = declaredThere.filter((key) => key in keys);
      const fix = `remove it: ${String(keys.from)} says it`;
      return [...failures, ...twice.map((key) => wrong(key, `${key} stands beside from`, fix))];
    }
    const missing = Object.entries(needed)
      .filter(([key]) => !(key in keys))
      .map(([key, example]) =>
        wrong(
          undefined,
          `the key ${JSON.stringify(key)} is missing in debs.${name}`,
          `write, for example, ${key}: ${example}`,
        ),
      );
    failures.push(...missing);
    if ('on' in keys) failures.push(wrong('on', 'on goes with from', 'remove it: a package is on unless off: true'));
    if (Array.isArray(keys.off)) {
      failures.push(wrong('off', 'a list of packages goes with from', 'write off: true', 'value'));
    }
    return failures;
  });
}
