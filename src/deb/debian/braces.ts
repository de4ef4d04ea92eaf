/** `{a,b}c` stands for `ac` and `bc`, as in a shell. */
export function expandBraces(pattern: string): string[] {
  const open = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (open === null) return [pattern];
  const [before, after] = [pattern.slice(0, open.index), pattern.slice(open.index + open[0].length)];
  return open[1]!.split(',').flatMap((part) => expandBraces(`${before}${part}${after}`));
}
