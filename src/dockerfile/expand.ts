import { replace, trimPrefix, trimSuffix } from './glob.ts';

/**
 * Variables and quotes in a Dockerfile's words, as BuildKit's frontend reads them
 * (https://docs.docker.com/reference/dockerfile/#environment-replacement): `$x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w}
 * ${x:?w} ${x?w} ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/r} ${x//p/r}`, the escape character, single and double quotes.
 */
export interface ExpandOptions {
  /** `\`, or what `# escape=` says. */
  escape: string;
  /** Keep quotes in the result. */
  rawQuotes?: boolean;
  /** Keep escape characters in the result. */
  rawEscapes?: boolean;
  /** Leave `$x` as it is where x is not set. */
  skipUnset?: boolean;
}

export interface Expanded {
  text: string;
  /** The text split at unquoted white space; variables are split too. */
  words: string[];
  /** Names that were looked up, set or not. */
  names: Set<string>;
}

/** A word that cannot be expanded: `message` says why. */
export class ExpandError extends Error {
  override readonly name = 'ExpandError';
}

/** `${a:-${b:-…}}` deeper than this is refused. */
const deepest = 200;
const space = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Throws an ExpandError on an open quote or brace, an unknown modifier, or `${x:?}` of an unset x. */
export function expand(source: string, env: (name: string) => string | undefined, options: ExpandOptions): Expanded {
  const chars = Array.from(source);
  const names = new Set<string>();
  const { escape, rawQuotes = false, skipUnset = false } = options;
  let at = 0;
  let rawEscapes = options.rawEscapes ?? false;
  let depth = 0;

  const get = (name: string) => {
    names.add(name);
    return env(name);
  };

  const singleQuoted = (): string => {
    const end = chars.indexOf("'", at + 1);
    if (end < 0) throw new ExpandError('the single quote is not closed');
    const inside = chars.slice(at + 1, end).join('');
    at = end + 1;
    return rawQuotes ? `'${inside}'` : inside;
  };

  const doubleQuoted = (): string => {
    at++;
    let out = rawQuotes ? '"' : '';
    for (;;) {
      const char = chars[at];
      if (char === undefined) throw new ExpandError('the double quote is not closed');
      if (char === '"') {
        at++;
        return rawQuotes ? `${out}"` : out;
      }
      if (char === '$') {
        out += dollar();
        continue;
      }
      at++;
      if (char !== escape) {
        out += char;
        continue;
      }
      if (rawEscapes) out += char;
      const next = chars[at];
      if (next === undefined) continue;
      // Within double quotes only these can be escaped; before others the escape character stands for itself.
      if (next === '"' || next === '$' || next === escape) {
        out += next;
        at++;
      } else {
        out += char;
      }
    }
  };

  const name = (): string => {
    const first = chars[at];
    if (first === undefined) return '';
    if (/\p{Nd}/u.test(first)) {
      const start = at;
      while (at < chars.length && /\p{Nd}/u.test(chars[at]!)) at++;
      return chars.slice(start, at).join('');
    }
    if ('@*#?-$!'.includes(first)) {
      at++;
      return first;
    }
    const start = at;
    while (at < chars.length && /[\p{L}\p{Nd}_]/u.test(chars[at]!)) at++;
    return chars.slice(start, at).join('');
  };

  /** Up to the closing brace or slash, which is taken too. */
  const until = (stop: string, raw: boolean, missing: string): string => {
    const before = rawEscapes;
    rawEscapes = raw;
    const { text, stopped } = sequence(stop);
    rawEscapes = before;
    if (!stopped) throw new ExpandError(missing);
    return text;
  };

  const dollar = (): string => {
    at++;
    if (chars[at] !== '{') {
      const found = name();
      if (found === '') return '$';
      const value = get(found);
      return value ?? (skipUnset ? `$${found}` : '');
    }
    at++;
    const next = chars[at];
    if (next === undefined) throw new ExpandError("'}' is missing");
    if (next === '{' || next === '}' || next === ':') throw new ExpandError('bad substitution: a name is missing');
    const variable = name();
    let operator = chars[at++];
    if (operator === '}') {
      const value = get(variable);
      return value ?? (skipUnset ? `\${${variable}}` : '');
    }
    if (operator === '/') return replaced(variable);
    const emptyIsUnset = operator === ':';
    if (emptyIsUnset) operator = chars[at++];
    const written = `${emptyIsUnset ? ':' : ''}${operator ?? ''}`;
    if (operator === undefined) throw new ExpandError("'}' is missing");
    if (!(emptyIsUnset ? '+-?' : '+-?#%').includes(operator)) {
      throw new ExpandError(`unsupported modifier (${written}) in substitution`);
    }
    const word = until('}', operator === '#' || operator === '%', "'}' is missing");
    const value = get(variable);
    if (value === undefined && skipUnset) return `\${${variable}${written}${word}}`;
    const absent = value === undefined || (emptyIsUnset && value === '');
    switch (operator) {
      case '-':
        return absent ? word : value;
      case '+':
        return absent ? '' : word;
      case '?':
        if (absent) {
          throw new ExpandError(`${variable}: ${word || `must not be ${value === undefined ? 'unset' : 'empty'}`}`);
        }
        return value;
      default: {
        const greedy = word.startsWith(operator);
        const pattern = greedy ? word.slice(1) : word;
        const trim = operator === '#' ? trimPrefix : trimSuffix;
        return withPattern(pattern, () => trim(pattern, value ?? '', greedy));
      }
    }
  };

  const replaced = (variable: string): string => {
    const all = chars[at] === '/';
    if (all) at++;
    const pattern = until('/', true, "'/' is missing in ${}");
    const replacement = until('}', true, "'}' is missing");
    const value = get(variable);
    if (value === undefined && skipUnset) return `\${${variable}/${pattern}/${replacement}}`;
    return withPattern(pattern, () => replace(pattern, value ?? '', replacement, all));
  };

  /** `<<` and the white space behind it stay together: a heredoc's name may stand apart. */
  const heredocOperator = (): string => {
    at++;
    if (chars[at] !== '<') return '<';
    const start = ++at;
    while (chars[at] === ' ' || chars[at] === '\t' || chars[at] === '\r') at++;
    return `<<${chars.slice(start, at).join('')}`;
  };

  const sequence = (stop?: string): { text: string; words: string[]; stopped: boolean } => {
    if (++depth > deepest) throw new ExpandError(`braces are nested more than ${deepest} deep`);
    let text = '';
    const words: string[] = [];
    let word = '';
    const split = (part: string) => {
      for (const char of part) {
        if (!space.test(char)) {
          word += char;
        } else if (word !== '') {
          words.push(word);
          word = '';
        }
      }
    };
    let stopped = false;
    while (at < chars.length) {
      const char = chars[at]!;
      if (char === stop) {
        at++;
        stopped = true;
        break;
      }
      if (char === '$') {
        const part = dollar();
        text += part;
        split(part);
      } else if (char === "'" || char === '"' || char === '<') {
        const part = char === "'" ? singleQuoted() : char === '"' ? doubleQuoted() : heredocOperator();
        text += part;
        word += part;
      } else if (char === escape) {
        at++;
        if (rawEscapes) {
          text += char;
          word += char;
        }
        const next = chars[at];
        if (next === undefined) break;
        at++;
        text += next;
        word += next;
      } else {
        at++;
        text += char;
        split(char);
      }
    }
    if (word !== '') words.push(word);
    depth--;
    return { text, words, stopped };
  };

  const { text, words } = sequence();
  return { text, words, names };
}

function withPattern(pattern: string, apply: () => string): string {
  try {
    return apply();
  } catch (error) {
    throw new ExpandError(`invalid pattern (${pattern}) in substitution: ${(error as Error).message}`);
  }
}
