/** A call of docker_build.sh: what one build command of CCAI builds. Paths as written, from the script's folder. */
export interface BuildCall {
  config: string;
  context: string;
  dockerfile: string;
  /** With its tag, where that is known before the build. */
  image: string;
  /** What users type for it. */
  names: string[];
  /** Counted from 1. */
  line: number;
}

/** The calls of docker_build.sh in release_build.sh, or in a Makefile, in their order. */
export function buildCalls(text: string): BuildCall[] {
  const values = new Map<string, string>();
  const commands = commandNames(text);
  const calls: BuildCall[] = [];
  let owner = '';
  let rule = '';
  for (const { line, words } of logicalLines(text)) {
    const joined = words.join(' ');
    const [, name, value] = /^(\w+)\s*:?=\s*(\S*)$/.exec(joined) ?? [];
    if (name !== undefined) values.set(name, expand(unquoted(value!), values));
    const target = /^([\w.-]+)\s*:(?!=)\s*(\S*)/.exec(joined);
    if (target) [, owner, rule] = target as unknown as [string, string, string];
    owner = /^(\w+)\s*\(\)/.exec(joined)?.[1] ?? owner;
    const at = words.findIndex((word) => /(?:^|\/)docker_build\.sh$/.test(word));
    const [config, context, dockerfile, image] = words
      .slice(at + 1)
      .map((word) => expand(unquoted(word === '$<' ? rule : word), values));
    if (at < 0 || image === undefined) continue;
    const plain = owner.replace(/^build_/, '');
    const names = [...new Set([plain, ...(commands.get(owner) ?? [])])].filter((each) => /(^|_)image$/.test(each));
    // A tag by the clock is the release's to give.
    const known = /[$`(]/.test(image) ? image.replace(/:.*$/s, '') : image.replace(/:latest$/, '');
    calls.push({ config: config!, context: context!, dockerfile: dockerfile!, image: known, names, line });
  }
  return calls;
}

/** Lines as the shell and make join them. */
function logicalLines(text: string): { line: number; words: string[] }[] {
  const found: { line: number; words: string[] }[] = [];
  let open = '';
  let start = 0;
  for (const [index, row] of text.split('\n').entries()) {
    if (open === '') start = index + 1;
    open += row.replace(/\\$/, ' ');
    if (row.endsWith('\\')) continue;
    const words = open.trim().split(/\s+/);
    if (words[0] !== '' && !words[0]!.startsWith('#')) found.push({ line: start, words });
    open = '';
  }
  return found;
}

/** Of each function, the arms of `case` that call it: `inf* | inference_engine_image)`. */
function commandNames(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [, patterns, name] of text.matchAll(/^\s*([\w*|\s]+)\)\s*\n?\s*(\w+)/gm)) {
    const arms = patterns!.split('|').map((arm) => arm.trim().replace(/\*$/, ''));
    names.set(name!, [...(names.get(name!) ?? []), ...arms]);
  }
  return names;
}

function unquoted(word: string): string {
  return word.replace(/^(["'])(.*)\1$/, '$2');
}

function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(
    /\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/g,
    (whole, ...names: string[]) => values.get(names.slice(0, 3).find((name) => name !== undefined)!) ?? whole,
  );
}
