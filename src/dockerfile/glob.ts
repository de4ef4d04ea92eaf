/**
 * The shell patterns of `${x#p}`, `${x%p}` and `${x/p/r}` as Dockerfiles know them: `*` and `?` (neither takes a
 * newline), `\` before `*`, `?`, `\`, `}` and `/`; no brackets.
 *
 * Matching follows all possibilities at once, so that its time is bounded by pattern length × text length.
 */
type Token = { kind: 'char'; char: string } | { kind: 'any' } | { kind: 'star' };

/** Throws a RangeError when a backslash stands before another character. */
export function parseGlob(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = Array.from(pattern);
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === '*') {
      tokens.push({ kind: 'star' });
    } else if (char === '?') {
      tokens.push({ kind: 'any' });
    } else if (char === '\\') {
      const next = chars[++i];
      if (next === undefined || !'*?\\}/'.includes(next)) throw new RangeError(`invalid escape '\\${next ?? ''}'`);
      tokens.push({ kind: 'char', char: next });
    } else {
      tokens.push({ kind: 'char', char });
    }
  }
  return tokens;
}

/** Where a match that begins at `start` ends: the shortest or the longest; undefined when there is none. */
function matchAt(tokens: readonly Token[], text: readonly string[], start: number, greedy: boolean) {
  let states = new Set<number>();
  const add = (set: Set<number>, state: number) => {
    set.add(state);
    while (tokens[state]?.kind === 'star') set.add(++state);
  };
  add(states, 0);
  let found: number | undefined;
  for (let at = start; ; at++) {
    if (states.has(tokens.length)) {
      found = at;
      if (!greedy) break;
    }
    const char = text[at];
    if (char === undefined || states.size === 0) break;
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (!token) continue;
      if (token.kind === 'star') {
        if (char !== '\n') add(next, state);
      } else if (token.kind === 'any' ? char !== '\n' : token.char === char) {
        add(next, state + 1);
      }
    }
    states = next;
  }
  return found;
}

/** `${value#pattern}`, or with `greedy` `${value##pattern}`. */
export function trimPrefix(pattern: string, value: string, greedy: boolean): string {
  const text = Array.from(value);
  const end = matchAt(parseGlob(pattern), text, 0, greedy);
  return end === undefined ? value : text.slice(end).join('');
}

/** `${value%pattern}`, or with `greedy` `${value%%pattern}`. */
export function trimSuffix(pattern: string, value: string, greedy: boolean): string {
  const text = Array.from(value).toReversed();
  const end = matchAt(parseGlob(pattern).toReversed(), text, 0, greedy);
  return end === undefined ? value : text.slice(end).toReversed().join('');
}

/** `${value/pattern/replacement}`, or with `all` `${value//pattern/replacement}`. The longest match counts. */
export function replace(pattern: string, value: string, replacement: string, all: boolean): string {
  const tokens = parseGlob(pattern);
  const text = Array.from(value);
  // Only when all are replaced does BuildKit read the replacement as a template in which $name means a group, and
  // these patterns have no groups.
  const put = all
    ? replacement.replaceAll(/\$(?:\$|\w+|\{\w*\})/g, (found) => (found === '$$' ? '$' : ''))
    : replacement;
  let out = '';
  let at = 0;
  let afterMatch = -1;
  while (at <= text.length) {
    const end = matchAt(tokens, text, at, true);
    // An empty match right behind another match does not count.
    if (end !== undefined && !(end === at && at === afterMatch)) {
      out += put;
      if (!all) return out + text.slice(end).join('');
      if (end > at) {
        at = end;
        afterMatch = end;
        continue;
      }
    }
    out += text[at] ?? '';
    at++;
  }
  return out;
}
