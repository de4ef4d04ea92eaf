/** Go's path.Clean: shortest equivalent path, no trailing slash, `.` for nothing. Paths are POSIX. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!rooted) parts.push(part);
  }
  return (rooted ? '/' : '') + parts.join('/') || '.';
}

/** Whether Go's filepath.Match would see more in it than a name: `*`, `?` or `[` that no backslash escapes. */
export function hasWildcard(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (char === '\\') index++;
    else if (char === '*' || char === '?' || char === '[') return true;
  }
  return false;
}

/** A pattern that Go's filepath.Match refuses as malformed. */
export class BadPattern extends Error {
  override readonly name = 'BadPattern';
}

export interface CompiledPattern {
  test(name: string): boolean;
  /** A class such as `[^a]` can stand for a slash in Go: then a match may lie deeper than the pattern has slashes. */
  crossesSlash: boolean;
}

const codePoint = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16)}}`;

/**
 * Go's filepath.Match (https://pkg.go.dev/path/filepath#Match) as a test of whole names: `*` and `?` stop at slashes,
 * `[a-z]`, `[^a]`, and `\` takes the next character as it is. Throws BadPattern.
 */
export function compilePattern(pattern: string): CompiledPattern {
  const chars = [...pattern];
  let source = '';
  let crossesSlash = false;
  let at = 0;
  const literal = (): string => {
    if (at >= chars.length || chars[at] === '-' || chars[at] === ']') throw new BadPattern(pattern);
    if (chars[at] === '\\') at++;
    if (at >= chars.length) throw new BadPattern(pattern);
    return chars[at++]!;
  };
  while (at < chars.length) {
    const char = chars[at++]!;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '\\') {
      if (at >= chars.length) throw new BadPattern(pattern);
      source += codePoint(chars[at++]!);
    } else if (char === '[') {
      const negated = chars[at] === '^';
      if (negated) at++;
      let ranges = '';
      for (let count = 0; ; count++) {
        if (chars[at] === ']' && count > 0) break;
        const low = literal();
        let high = low;
        if (at >= chars.length) throw new BadPattern(pattern);
        if (chars[at] === '-') {
          at++;
          high = literal();
        }
        if (low.codePointAt(0)! <= high.codePointAt(0)!) ranges += `${codePoint(low)}-${codePoint(high)}`;
      }
      at++;
      const set = `[${negated ? '^' : ''}${ranges}]`;
      crossesSlash ||= new RegExp(set, 'u').test('/');
      source += set;
    } else source += codePoint(char);
  }
  const regexp = new RegExp(`^${source}$`, 'su');
  return { test: (name) => regexp.test(name), crossesSlash };
}
