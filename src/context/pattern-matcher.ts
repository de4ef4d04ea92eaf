import { BadPattern, cleanPath, compilePattern } from './go-path.ts';

interface Pattern {
  text: string;
  /** A `!` pattern: takes back what patterns before it matched. */
  exception: boolean;
  test(path: string): boolean;
}

/** Which patterns matched a folder or one above it: what its children are matched with. One byte a pattern. */
export type MatchState = Uint8Array;

const special = /[.+()|{}$]/;

/**
 * One pattern of moby/patternmatcher. It is deliberately not filepath.Match: `**` crosses slashes, and what remains
 * is read as a regular expression of Go, with the oddities that follow from that.
 */
function compile(text: string): (path: string) => boolean {
  compilePattern(text);
  const chars = [...text];
  let source = '';
  let kind: 'exact' | 'prefix' | 'suffix' | 'regexp' = 'exact';
  for (let at = 0, first = true; at < chars.length; first = false) {
    const char = chars[at++]!;
    if (char === '*' && chars[at] === '*') {
      at++;
      if (chars[at] === '/') at++;
      if (at < chars.length) {
        source += '(?:.*/)?';
        kind = 'regexp';
      } else if (kind === 'exact') kind = 'prefix';
      else {
        source += '.*';
        kind = 'regexp';
      }
      if (first) kind = 'suffix';
    } else if (char === '*') {
      source += '[^/]*';
      kind = 'regexp';
    } else if (char === '?') {
      source += '[^/]';
      kind = 'regexp';
    } else if (char === '\\' && at < chars.length) {
      const next = chars[at++]!;
      source += /[A-Za-z0-9]/.test(next) ? `\\${next}` : `\\u{${next.codePointAt(0)!.toString(16)}}`;
      kind = 'regexp';
    } else if (char === '[') {
      const close = closingBracket(chars, at);
      source += `[${chars.slice(at, close).map(classChar).join('')}]`;
      at = close + 1;
      kind = 'regexp';
    } else if (char === ']') {
      source += '\\]';
      kind = 'regexp';
    } else source += special.test(char) ? `\\${char}` : char === '\\' ? '\\\\' : char === '/' ? '\\/' : char;
  }
  if (kind === 'exact') return (path) => path === text;
  if (kind === 'prefix') {
    const prefix = text.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (kind === 'suffix') {
    const suffix = text.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  }
  let regexp: RegExp;
  try {
    regexp = new RegExp(`^${source}$`, 'u');
  } catch {
    throw new BadPattern(text);
  }
  return (path) => regexp.test(path);
}

/** The index of the bracket that ends the class whose inside begins at `from`; compilePattern proved that there is one. */
function closingBracket(chars: string[], from: number): number {
  let at = from;
  if (chars[at] === '^') at++;
  for (let first = true; first || chars[at] !== ']'; first = false) at += chars[at] === '\\' ? 2 : 1;
  return at;
}

const classChar = (char: string): string =>
  char === '[' || char === '&' || char === '~' ? `\\u{${char.codePointAt(0)!.toString(16)}}` : char;

/**
 * The patterns of a .dockerignore or of COPY --exclude and --parents, in their order, the last match deciding
 * (https://docs.docker.com/build/concepts/context/#dockerignore-files). Throws BadPattern for a malformed one.
 *
 * A path is matched with what its folder's patterns gave (`state`), which differs in corner cases from matching the
 * path alone; the walk of BuildKit's client does the same.
 */
export class PatternMatcher {
  readonly patterns: readonly Pattern[];
  /** Whether any pattern is an exception. */
  readonly exceptions: boolean;
  /** No exception has a wildcard but a last `/*` or `/**`: what lies below an excluded folder can then be skipped. */
  readonly #plainExceptions: boolean;

  constructor(texts: readonly string[]) {
    const patterns: Pattern[] = [];
    for (const raw of texts) {
      if (raw.trim() === '') continue;
      let text = cleanPath(raw.trim());
      const exception = text.startsWith('!');
      if (exception) text = text.slice(1);
      if (text === '') throw new BadPattern('!');
      patterns.push({ text, exception, test: compile(text) });
    }
    this.patterns = patterns;
    this.exceptions = patterns.some((pattern) => pattern.exception);
    this.#plainExceptions = patterns.every(
      (pattern) => !pattern.exception || !/[*[\]?^\\]/.test(withoutLastGlob(pattern.text)),
    );
  }

  /** Whether the last pattern that matches `path` or a folder above it is no exception. Fills `state` when given. */
  matches(path: string, parent: MatchState | undefined, state?: MatchState): boolean {
    let matched = false;
    for (let index = 0; index < this.patterns.length; index++) {
      const pattern = this.patterns[index]!;
      let match = parent !== undefined && parent[index] === 1;
      if (!match) {
        if (pattern.exception !== matched) continue;
        match = pattern.test(path);
      }
      if (match) {
        matched = !pattern.exception;
        if (state) state[index] = 1;
      }
    }
    return matched;
  }

  newState(): MatchState {
    return new Uint8Array(this.patterns.length);
  }

  /** Whether anything below a folder can be matched, given what the folder matched. May err on the side of true. */
  mayMatchBelow(folder: string, state: MatchState): boolean {
    const parts = folder === '' ? [] : folder.split('/');
    return this.patterns.some((pattern, index) => {
      if (pattern.exception) return false;
      if (state[index] === 1 || pattern.text.includes('**') || pattern.text.includes('[')) return true;
      const wanted = pattern.text.split('/');
      return (
        wanted.length > parts.length && parts.every((part, at) => /[*?\\^]/.test(wanted[at]!) || part === wanted[at])
      );
    });
  }

  /** Whether nothing below an excluded folder can be taken back by an exception. */
  excludesAllBelow(folder: string): boolean {
    if (!this.exceptions) return true;
    if (!this.#plainExceptions) return false;
    const below = `${folder}/`;
    return !this.patterns.some((pattern) => pattern.exception && `${withoutLastGlob(pattern.text)}/`.startsWith(below));
  }
}

const withoutLastGlob = (text: string): string => text.replace(/\/\*\*$/, '').replace(/\/\*$/, '');
