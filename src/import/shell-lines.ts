/** Lines as the shell and make join them. */
export function logicalLines(text: string): { line: number; words: string[] }[] {
  const found: { line: number; words: string[] }[] = [];
  let open = '';
  let start = 0;
  for (const [index, row] of text.split('\n').entries()) {
    if (open === '') start = index + 1;
    open += row.replace(/\\$/, ' ');
    if (row.endsWith('\\')) continue;
    // What is quoted or substituted is one word.
    const all: string[] = open.match(/(?:"[^"]*"|'[^']*'|\$\([^)]*\)|`[^`]*`|\S)+/g) ?? [];
    const comment = all.findIndex((word) => word.startsWith('#'));
    const words = comment < 0 ? all : all.slice(0, comment);
    if (words.length > 0) found.push({ line: start, words });
    open = '';
  }
  return found;
}

/** `NAME=value`, `NAME := value`: the value expanded. */
export function assignment(
  words: readonly string[],
  values: ReadonlyMap<string, string>,
): [string, string] | undefined {
  const [, name, value] = /^(?:export )?(\w+)\s*:?=\s*(\S*)$/.exec(words.join(' ')) ?? [];
  return name === undefined ? undefined : [name, expand(unquoted(value!), values)];
}

/** Without the quotes around it. */
export function unquoted(word: string): string {
  return word.replace(/^(["'])(.*)\1$/, '$2');
}

/** With the variables whose values are known. */
export function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(
    /\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/g,
    (whole, ...names: string[]) => values.get(names.slice(0, 3).find((name) => name !== undefined)!) ?? whole,
  );
}
