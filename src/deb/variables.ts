import type { Config, Deb } from '../config/config.ts';
import { parseTarget } from '../config/deb-content.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { parsePath } from '../config/path.ts';
import { Wrong } from '../config/wrong.ts';
import type { Failure } from '../failure.ts';
import { debTrouble, throwAll } from './trouble.ts';

/** Values by name: `args:` of the configuration before the environment. */
export type Variables = (name: string) => string | undefined;

export function variablesOf(config: Config, env: NodeJS.ProcessEnv): Variables {
  return (name) => (Object.hasOwn(config.args, name) ? config.args[name] : env[name]);
}

/** Paths below the root, whose values are looked at again when they are known. */
const pathKeys = new Set([
  'src',
  'tree',
  'from',
  'sysusers',
  'tmpfiles',
  'changelog',
  'copyright',
  'ignore',
  'scripts',
]);

type Path = readonly (string | number)[];

/**
 * Puts values in place of `${NAME}` and `${NAME:-DEFAULT}`, in texts that have them alone; `$${` stands for `${`.
 * Throws Failures, each at its place, for names without a value, and for values that cannot stand where they are.
 */
export function expandDeb(config: Config, deb: Deb, variables: Variables, known: readonly string[] = []): Deb {
  const failures: Failure[] = [];
  const refuse = (path: Path, because: string, fix: string) =>
    void failures.push(debTrouble(config, deb.name, path, because, fix));

  const expanded = (text: string, path: Path): string => {
    if (!text.includes('${')) return text;
    let isWhole = true;
    const value = text.replaceAll(/\$(\$?)\{([^}]*)\}?/g, (all, escaped: string, inner: string) => {
      if (escaped !== '') return all.slice(1);
      const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inner);
      const found = match && all.endsWith('}') ? (variables(match[1]!) ?? match[2]) : undefined;
      if (found === undefined) {
        isWhole = false;
        const names = [...Object.keys(config.args), ...known];
        const near = match ? didYouMean(match[1]!, names) : undefined;
        const because = match ? `${all} has no value` : `${all} is no variable`;
        const set = match
          ? `set it in args: or in the environment, or write \${${match[1]}:-DEFAULT}`
          : 'write ${NAME}, or $${ for the characters themselves';
        refuse(path, because, near === undefined ? set : `did you mean \${${near}}?`);
        return all;
      }
      // oxlint-disable-next-line no-control-regex -- these are what is looked for
      if (/[\u0000-\u001f\u007f]/.test(found)) {
        isWhole = false;
        refuse(
          path,
          `the value of ${all} has a line break or another control character`,
          'give it a value of one line',
        );
      }
      return found;
    });
    return isWhole ? reparsed(value, path) : text;
  };

  const reparsed = (value: string, path: Path): string => {
    const key = path.findLast((step) => typeof step === 'string') as string;
    const isLinkTarget = path[0] === 'contents' && deb.contents[Number(path[1])]?.type === 'symlink' && key === 'src';
    try {
      if (key === 'dst') return requireAbsolute(parseTarget(value));
      if ((pathKeys.has(key) || path[0] === 'scripts') && !isLinkTarget) return parsePath(value);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      refuse(path, `${JSON.stringify(value)}: ${error.message}`, error.fix);
    }
    return value;
  };

  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return expanded(value, path);
    if (Array.isArray(value)) return value.map((each, index) => walk(each, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, [...path, key])]));
  };

  const { name, ...rest } = deb;
  const result = { ...(walk(rest, []) as Omit<Deb, 'name'>), name };
  throwAll(failures);
  return result;
}

function requireAbsolute(value: string): string {
  if (value.startsWith('/')) return value;
  throw new Wrong('a path on the device is absolute', `give it a value that begins with /`);
}
