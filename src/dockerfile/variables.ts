import type { ImageTraits } from './analysis.ts';
import { expand, ExpandError } from './expand.ts';
import type { Instruction } from './instruction.ts';
import type { Dockerfile } from './parse.ts';
import { argPair, expandAt } from './stages.ts';

/** What BuildKit gives a stage whose image sets no PATH. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What `scratch` brings along. */
export const noTraits: ImageTraits = { env: [], onbuild: [] };

/** What a stage's variables are at one point of it. */
export interface Variables {
  values: Map<string, string>;
  /** Values that rest on an image which is not known yet. */
  doubtful: Set<string>;
  /** The stage begins with an image which is not known yet: any name may be set. */
  open: boolean;
  /** ENV of the image that comes out. */
  image: Map<string, string>;
  workdir: string | undefined;
}

/** What a word becomes; `doubtful` when it rests on an image that is not known yet. */
export interface Word {
  text: string;
  doubtful: boolean;
}

/** At the start of a stage that begins with an image; undefined when nothing is known of it. */
export function variablesOf(traits: ImageTraits | undefined): Variables {
  const image = new Map((traits?.env ?? []).map((pair) => [argPair(pair).name, argPair(pair).value ?? '']));
  if (traits && !image.has('PATH')) image.set('PATH', defaultPath);
  const { workdir } = traits ?? {};
  return { values: new Map(image), doubtful: new Set(), open: traits === undefined, image, workdir };
}

/** At the start of a stage that begins with another: its ARGs go on too. */
export function copyOf({ values, doubtful, open, image, workdir }: Variables): Variables {
  return { values: new Map(values), doubtful: new Set(doubtful), open, image: new Map(image), workdir };
}

/** ARG and ENV. */
export function setVariable(variables: Variables, name: string, { text, doubtful }: Word): void {
  variables.values.set(name, text);
  if (doubtful) variables.doubtful.add(name);
  else variables.doubtful.delete(name);
}

/** What a word becomes. Throws a Failure at the instruction when it cannot be expanded. */
export function evaluate(dockerfile: Dockerfile, instruction: Instruction, word: string, variables: Variables): Word {
  const get = (name: string) => variables.values.get(name);
  if (!variables.open) {
    const { text, names } = expandAt(dockerfile, instruction, word, get);
    return { text, doubtful: [...names].some((name) => variables.doubtful.has(name)) };
  }
  try {
    const { text, names } = expand(word, get, { escape: dockerfile.escape });
    const doubtful = [...names].some((name) => variables.doubtful.has(name) || !variables.values.has(name));
    return { text, doubtful };
  } catch (error) {
    // `${x:?}` may well be set by the image.
    if (error instanceof ExpandError) return { text: '', doubtful: true };
    throw error;
  }
}
