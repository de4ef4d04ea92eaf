import { assignment, expand, logicalLines, unquoted } from '../shell-lines.ts';

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
    const set = assignment(words, values);
    if (set) values.set(...set);
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

/** Of each function, the arms of `case` that call it: `inf* | inference_engine_image)`. */
function commandNames(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [, patterns, name] of text.matchAll(/^\s*([\w*|\s]+)\)\s*\n?\s*(\w+)/gm)) {
    const arms = patterns!.split('|').map((arm) => arm.trim().replace(/\*$/, ''));
    names.set(name!, [...(names.get(name!) ?? []), ...arms]);
  }
  return names;
}
