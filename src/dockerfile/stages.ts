import { didYouMean } from '../config/did-you-mean.ts';
import { Failure } from '../failure.ts';
import { parsePlatform, platformName, type Platform } from '../oci/platform.ts';
import type { AnalysisOptions } from './analysis.ts';
import { expand, ExpandError, type Expanded } from './expand.ts';
import { flagValue, wordsOf, type Instruction } from './instruction.ts';
import type { Dockerfile } from './parse.ts';

export interface Stage {
  /** Its place among all stages of the file. */
  index: number;
  /** In lower case. */
  name: string | undefined;
  from: Instruction;
  /** An earlier stage, an image's reference with its variables written, or nothing. */
  base: { kind: 'stage'; stage: Stage } | { kind: 'image'; reference: string } | { kind: 'scratch' };
  platform: Platform | undefined;
  instructions: Instruction[];
  /** Global ARGs that its FROM uses, also by way of other ARGs' defaults. */
  globals: Set<string>;
}

/** An ARG before the first FROM, or one that every build has. */
export interface GlobalArg {
  value: string | undefined;
  declared: boolean;
  /** Names that its default uses. */
  uses: Set<string>;
}

export interface Stages {
  all: Stage[];
  target: Stage;
  globals: Map<string, GlobalArg>;
  /** Whether `packages` names the folder of large files, not an image. */
  packages: boolean;
}

export type StageOptions = Omit<AnalysisOptions, 'traitsOf'>;

/** Expands a word; what fails becomes a Failure at the instruction. */
export function expandAt(
  dockerfile: Dockerfile,
  instruction: Instruction,
  word: string,
  env: (name: string) => string | undefined,
): Expanded {
  try {
    return expand(word, env, { escape: dockerfile.escape });
  } catch (error) {
    if (!(error instanceof ExpandError)) throw error;
    return reject(dockerfile, instruction, word, error.message, 'write $NAME or ${NAME}; quotes in pairs');
  }
}

export function reject(
  dockerfile: Dockerfile,
  instruction: Instruction,
  word: string | undefined,
  because: string,
  fix: string,
): never {
  const at = dockerfile.locate(instruction, word);
  throw new Failure({ doing: `reading ${dockerfile.file}`, because, fix, at, kind: 'input' });
}

/** `NAME=default`, or `NAME`. */
export function argPair(word: string): { name: string; value: string | undefined } {
  const equals = word.indexOf('=');
  return equals < 0 ? { name: word, value: undefined } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

/** The ARGs that every build has without declaring them in front of FROM; a stage must declare them to see them. */
function platformArgs(options: StageOptions, lastStage: string | undefined): [string, string][] {
  const { platform, buildPlatform } = options;
  const of = (prefix: string, one: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, platformName(one)],
    [`${prefix}OS`, one.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, one.architecture],
    [`${prefix}VARIANT`, one.variant ?? ''],
  ];
  const target = options.target ?? lastStage ?? 'default';
  return [...of('BUILD', buildPlatform), ...of('TARGET', platform), ['TARGETSTAGE', target]];
}

function globalArgs(
  dockerfile: Dockerfile,
  meta: readonly Instruction[],
  lastStage: string | undefined,
  options: StageOptions,
) {
  const given = new Map(Object.entries(options.args));
  const globals = new Map<string, GlobalArg>();
  for (const [name, value] of platformArgs(options, lastStage)) {
    globals.set(name, { value: given.get(name) ?? value, declared: false, uses: new Set() });
  }
  for (const instruction of meta) {
    for (const word of wordsOf(instruction)) {
      const { name, value } = argPair(word);
      const before = globals.get(name);
      if (given.has(name)) {
        globals.set(name, { value: given.get(name), declared: true, uses: new Set() });
      } else if (value === undefined) {
        globals.set(name, { value: before?.value, declared: true, uses: before?.uses ?? new Set() });
      } else {
        const { text, names } = expandAt(dockerfile, instruction, value, (used) => globals.get(used)?.value);
        // `ARG X=$X-more` keeps what X used before.
        const uses = new Set([...names].flatMap((used) => (used === name ? [...(before?.uses ?? [])] : [used])));
        globals.set(name, { value: text, declared: true, uses });
      }
    }
  }
  return globals;
}

/** The global ARGs behind some names: those themselves and what their defaults use. */
function withUses(names: Iterable<string>, globals: Map<string, GlobalArg>): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    const arg = globals.get(name);
    if (!arg || found.has(name)) return;
    found.add(name);
    for (const used of arg.uses) visit(used);
  };
  for (const name of names) visit(name);
  return found;
}

/** Throws a Failure when there is no stage, a FROM is empty, or the target is none of the stages. */
export function readStages(dockerfile: Dockerfile, options: StageOptions): Stages {
  const firstFrom = dockerfile.instructions.findIndex(({ keyword }) => keyword === 'FROM');
  const meta = firstFrom < 0 ? dockerfile.instructions : dockerfile.instructions.slice(0, firstFrom);
  const early = meta.find(({ keyword }) => keyword !== 'ARG');
  if (early || firstFrom < 0) {
    const because = early ? `${early.keyword} stands before the first FROM` : 'there is no FROM';
    reject(dockerfile, early ?? dockerfile.instructions[0]!, undefined, because, 'begin the first stage with FROM');
  }
  const froms = dockerfile.instructions.filter(({ keyword }) => keyword === 'FROM');
  const globals = globalArgs(dockerfile, meta, wordsOf(froms.at(-1)!)[2]?.toLowerCase(), options);
  const value = (name: string) => globals.get(name)?.value;

  const all: Stage[] = [];
  const byName = new Map<string, Stage>();
  for (const instruction of dockerfile.instructions.slice(firstFrom)) {
    if (instruction.keyword !== 'FROM') {
      all.at(-1)!.instructions.push(instruction);
      continue;
    }
    const [written = '', , name] = wordsOf(instruction);
    const image = expandAt(dockerfile, instruction, written, value);
    const empty = [...image.names].find((used) => !value(used));
    if (image.text === '') {
      const fix =
        empty === undefined ? 'write the image' : `give ${empty} a value, or a default: ARG ${empty}=… before FROM`;
      reject(dockerfile, instruction, written, `the image of FROM ${written} is empty`, fix);
    }
    const wanted = flagValue(instruction, 'platform');
    const platform = wanted === undefined ? undefined : expandAt(dockerfile, instruction, wanted, value);
    const earlier = byName.get(image.text.toLowerCase());
    const stage: Stage = {
      index: all.length,
      name: name?.toLowerCase(),
      from: instruction,
      base: earlier
        ? { kind: 'stage', stage: earlier }
        : image.text === 'scratch'
          ? { kind: 'scratch' }
          : { kind: 'image', reference: image.text },
      platform: platform && readPlatform(dockerfile, instruction, wanted!, platform.text, options.buildPlatform),
      instructions: [],
      globals: withUses([...image.names, ...(platform?.names ?? [])], globals),
    };
    all.push(stage);
    if (stage.name !== undefined) byName.set(stage.name, stage);
  }
  return { all, target: targetOf(dockerfile, all, options), globals, packages: options.packages !== undefined };
}

function readPlatform(
  dockerfile: Dockerfile,
  instruction: Instruction,
  written: string,
  text: string,
  builder: Platform,
): Platform {
  try {
    // The operating system or the processor alone is enough: the rest is the builder's.
    if (text.toLowerCase() === 'linux') return { ...builder, os: 'linux' };
    if (/^[a-z0-9_-]+$/i.test(text)) return parsePlatform(`${builder.os}/${text.toLowerCase()}`);
    return parsePlatform(text.toLowerCase());
  } catch (error) {
    return reject(dockerfile, instruction, written, (error as Error).message, 'write OS/ARCHITECTURE, as linux/amd64');
  }
}

function targetOf(dockerfile: Dockerfile, stages: readonly Stage[], { target, targetAt }: StageOptions): Stage {
  if (target === undefined || target === '') return stages.at(-1)!;
  const found = stages.findLast((stage) => stage.name === target.toLowerCase());
  if (found) return found;
  const names = stages.flatMap(({ name }) => name ?? []);
  const near = didYouMean(target, names);
  let fix = names.length === 0 ? 'name a stage: FROM … AS NAME' : `the stages are ${names.join(', ')}`;
  if (near !== undefined) fix = `did you mean ${near}? Its stages are ${names.join(', ')}`;
  throw new Failure({
    doing: `looking for the target in ${dockerfile.file}`,
    because: `there is no stage ${JSON.stringify(target)}`,
    fix,
    at: targetAt ?? stages[0]!.from.at,
    kind: 'input',
  });
}

/**
 * The stage that COPY --from or a mount's from means: by name (the last of that name in the file), with `byIndex` also
 * by its place. Undefined when it is an image.
 */
export function stageNamed(
  dockerfile: Dockerfile,
  stages: Stages,
  user: Stage,
  instruction: Instruction,
  from: string,
  byIndex: boolean,
): Stage | undefined {
  let found: Stage | undefined;
  if (byIndex && /^[+-]?\d+$/.test(from)) {
    found = stages.all[Number(from)];
    if (!found) {
      reject(
        dockerfile,
        instruction,
        from,
        `there is no stage ${from}`,
        `the stages are 0 to ${stages.all.length - 1}`,
      );
    }
  } else {
    found = stages.all.findLast((stage) => stage.name === from.toLowerCase());
  }
  if (found && found.index >= user.index) {
    reject(dockerfile, instruction, from, `stage ${from} is not defined before it is used`, 'move that stage up');
  }
  return found;
}
