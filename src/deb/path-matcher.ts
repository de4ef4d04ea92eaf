/** Whether a path is what a shell's pattern names, or with `below` anything in it. `*` and `?` stop at slashes. */
export function pathMatcher(pattern: string, below: boolean): (path: string) => boolean {
  const source = pattern
    .split(/([*?])/)
    .map((part) => (part === '*' ? '[^/]*' : part === '?' ? '[^/]' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&')))
    .join('');
  const expression = new RegExp(`^${source}${below ? '(?:/.*)?' : ''}$`, 'su');
  return (path) => expression.test(path);
}
