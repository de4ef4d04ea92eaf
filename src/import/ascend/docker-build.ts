import { posix } from 'node:path';
import { assignment, expand, logicalLines, unquoted } from '../shell-lines.ts';

/** A call of `docker build` in a script. Paths as written, from `folder`. */
export interface DockerBuild {
  /** Where it is called, from where the script begins. */
  folder: string;
  context: string;
  dockerfile?: string;
  target?: string;
  /** With its tag. */
  image?: string;
  platform?: string;
  args: Map<string, string>;
  /** Options that have no counterpart. */
  others: string[];
  /** Counted from 1. */
  line: number;
}

/** Options without a value, and what becomes of them: nothing. */
const flags = new Set(['--no-cache', '--pull', '--rm', '--force-rm', '-q', '--quiet', '--squash', '--load', '--push']);
/** Where a command ends: also within a word, as in `.||`. */
const end = /[;|&]|^\d?>/;

/** The calls of a script, in their order. `variables`: what it takes from its environment, or finds out when it runs. */
export function dockerBuilds(text: string, variables: Readonly<Record<string, string>> = {}): DockerBuild[] {
  const values = new Map(Object.entries(variables));
  const found: DockerBuild[] = [];
  let folder = '.';
  /** Of each `if` that is open, where it began. */
  const branches: string[] = [];
  for (const { line, words } of logicalLines(text)) {
    const set = assignment(words, values);
    if (set && !Object.hasOwn(variables, set[0])) values.set(...set);
    if (words[0] === 'if') branches.push(folder);
    else if (words[0] === 'else' || words[0] === 'elif') folder = branches.at(-1) ?? folder;
    else if (words[0] === 'fi') branches.pop();
    else if (words[0] === 'cd') folder = posix.join(folder, expand(unquoted(words[1] ?? '.'), values));
    const docker = words.findIndex(
      (word, index) => word === 'docker' && /^(build|buildx)$/.test(words[index + 1] ?? ''),
    );
    if (docker < 0) continue;
    const own: string[] = [];
    for (const word of words.slice(docker + (words[docker + 1] === 'buildx' ? 3 : 2))) {
      const stop = /["'$`]/.test(word) ? -1 : word.search(end);
      own.push(expand(unquoted(stop < 0 ? word : word.slice(0, stop)), values));
      if (stop >= 0) break;
    }
    found.push(parse(own, folder, line));
  }
  return found;
}

function parse(words: readonly string[], folder: string, line: number): DockerBuild {
  const build: DockerBuild = { folder, context: '.', args: new Map(), others: [], line };
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith('-')) {
      if (word !== '') build.context = word;
      continue;
    }
    if (flags.has(word)) continue;
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? (words[++index] ?? '') : word.slice(equals + 1);
    if (name === '-t' || name === '--tag') build.image ??= value;
    else if (name === '-f' || name === '--file') build.dockerfile = value;
    else if (name === '--target') build.target = value;
    else if (name === '--platform') build.platform = value;
    else if (name === '--build-arg') {
      const cut = value.indexOf('=');
      build.args.set(cut < 0 ? value : value.slice(0, cut), cut < 0 ? `$${value}` : unquoted(value.slice(cut + 1)));
    } else build.others.push(`${name} ${value}`.trim());
  }
  return build;
}
