import { didYouMean } from '../config/did-you-mean.ts';
import { Failure, type SourceLocation } from '../failure.ts';
import { instructionText, wordsOf, type Instruction } from './instruction.ts';
import { copyFrom, mountsOf } from './needed.ts';
import type { Dockerfile } from './parse.ts';
import { readStages, reject, stageNamed, type Stage, type StageOptions, type Stages } from './stages.ts';

/** A stage to leave out, and where that is asked for. */
export interface SkippedStage {
  name: string;
  at: SourceLocation;
}

/**
 * The Dockerfile without some of its middle stages: what is FROM one of them is FROM what that is FROM. The stages stay in
 * it, so that no place and no number of a stage changes; nothing needs them any more. Throws a Failure where a stage is
 * not there, is the target, is copied or mounted from, or where nothing that is built stands on it.
 */
export function skipStages(dockerfile: Dockerfile, skip: readonly SkippedStage[], options: StageOptions): Dockerfile {
  if (skip.length === 0) return dockerfile;
  const stages = readStages(dockerfile, options);
  const skipped = new Map<Stage, SkippedStage>();
  for (const one of skip) for (const stage of stagesNamed(dockerfile, stages, one)) skipped.set(stage, one);
  const target = skipped.get(stages.target);
  if (target) {
    const because = `stage ${target.name} is the target: without it there is nothing to build`;
    throw wrongSkip(dockerfile, target, because, 'name the stage below it as target:, and skip nothing');
  }
  const stoodOn = new Set<Stage>();
  const rewired = new Map<Instruction, Instruction>();
  for (const stage of stages.all) {
    if (stage.base.kind !== 'stage' || !skipped.has(stage.base.stage)) continue;
    let below = stage.base.stage;
    while (below.base.kind === 'stage' && skipped.has(below.base.stage)) below = below.base.stage;
    rewired.set(stage.from, fromInstead(stage.from, below.from));
  }
  for (const stage of neededWithout(dockerfile, stages, skipped)) {
    for (let { base } = stage; base.kind === 'stage' && skipped.has(base.stage); { base } = base.stage)
      stoodOn.add(base.stage);
  }
  for (const [stage, one] of skipped) {
    if (stoodOn.has(stage)) continue;
    const of = options.target === undefined ? 'what is built' : `target ${options.target}`;
    throw wrongSkip(dockerfile, one, `nothing of ${of} stands on stage ${one.name}`, 'take it out of skip:');
  }
  const instructions = dockerfile.instructions.map((instruction) => rewired.get(instruction) ?? instruction);
  const result = { ...dockerfile, instructions };
  checkNames(result, stages, readStages(result, options), skipped);
  return result;
}

/** One name may stand for several stages: from another place of the file it may mean another of them. */
function checkNames(
  dockerfile: Dockerfile,
  before: Stages,
  after: Stages,
  skipped: ReadonlyMap<Stage, SkippedStage>,
): void {
  for (const [index, { from, base: now }] of after.all.entries()) {
    let { base } = before.all[index]!;
    while (base.kind === 'stage' && skipped.has(base.stage)) ({ base } = base.stage);
    const wanted = base.kind === 'stage' ? base.stage.index : base.kind === 'image' ? base.reference : base.kind;
    const found = now.kind === 'stage' ? now.stage.index : now.kind === 'image' ? now.reference : now.kind;
    if (wanted === found) continue;
    const because = `without the skipped stages it begins with ${wordsOf(from)[0]}, which means another stage here`;
    reject(dockerfile, from, undefined, because, 'give each stage a name of its own');
  }
}

function stagesNamed(dockerfile: Dockerfile, stages: Stages, skip: SkippedStage): Stage[] {
  const found = stages.all.filter(({ name }) => name === skip.name.toLowerCase());
  if (found.length > 0) return found;
  const names = [...new Set(stages.all.flatMap(({ name }) => name ?? []))];
  const near = didYouMean(skip.name, names);
  let fix = names.length === 0 ? 'name the stage: FROM … AS NAME' : `the stages are ${names.join(', ')}`;
  if (near !== undefined) fix = `did you mean ${near}? Its stages are ${names.join(', ')}`;
  throw wrongSkip(dockerfile, skip, `there is no stage ${JSON.stringify(skip.name)}`, fix);
}

function wrongSkip({ file }: Dockerfile, { at }: SkippedStage, because: string, fix: string): Failure {
  return new Failure({ doing: `leaving out stages of ${file}`, because, fix, at, kind: 'input' });
}

/** `FROM x AS name` with the image, and where it says none the platform, of another FROM. */
function fromInstead(from: Instruction, below: Instruction): Instruction {
  const [, ...name] = wordsOf(from);
  const platform = [...from.flags, ...below.flags].find((flag) => flag.name === 'platform');
  return {
    ...from,
    flags: [...from.flags.filter((flag) => flag.name !== 'platform'), ...(platform ? [platform] : [])],
    operands: { form: 'words', words: [wordsOf(below)[0]!, ...name] },
  };
}

/** The stages that the target's build still runs; none of them may take files from a stage that is left out. */
function neededWithout(dockerfile: Dockerfile, stages: Stages, skipped: ReadonlyMap<Stage, SkippedStage>): Set<Stage> {
  const needed = new Set<Stage>();
  const waiting = [stages.target];
  for (let stage = waiting.pop(); stage; stage = waiting.pop()) {
    if (needed.has(stage)) continue;
    needed.add(stage);
    let { base } = stage;
    while (base.kind === 'stage' && skipped.has(base.stage)) ({ base } = base.stage);
    if (base.kind === 'stage') waiting.push(base.stage);
    for (const instruction of stage.instructions) {
      for (const { text, byIndex } of sourcesOf(dockerfile, instruction)) {
        const source = stageNamed(dockerfile, stages, stage, instruction, text, byIndex);
        if (!source) continue;
        if (skipped.has(source)) {
          const via = instruction.keyword === 'COPY' ? 'COPY --from' : 'a mount';
          const because = `${via} takes files from stage ${source.name}, which skip: leaves out`;
          reject(
            dockerfile,
            instruction,
            text,
            because,
            `take ${source.name} out of skip:, or take the files elsewhere`,
          );
        }
        waiting.push(source);
      }
    }
  }
  return needed;
}

function sourcesOf(dockerfile: Dockerfile, instruction: Instruction): { text: string; byIndex: boolean }[] {
  const inner = instruction.operands.form === 'trigger' ? instruction.operands.instruction : instruction;
  const from = copyFrom(inner);
  return [
    ...(from === undefined ? [] : [{ text: from, byIndex: true }]),
    ...mountsOf(dockerfile, inner, (text) => text).flatMap((mount) =>
      mount.from === undefined ? [] : [{ text: mount.from, byIndex: false }],
    ),
  ];
}

/**
 * The text of a Dockerfile in which some FROMs are other ones: `built` has the instructions of `written`, one for one. Each
 * instruction stays on its lines.
 */
export function rewireText(source: string, written: Dockerfile, built: Dockerfile): string {
  const lines = source.split('\n');
  for (const [index, instruction] of written.instructions.entries()) {
    const now = built.instructions[index]!;
    if (now === instruction) continue;
    const [first, last] = instruction.lines;
    const rest = Array.from({ length: last - first }, () => '');
    lines.splice(
      first - 1,
      last - first + 1,
      instructionText(now, ({ value }) => value),
      ...rest,
    );
  }
  return lines.join('\n');
}
