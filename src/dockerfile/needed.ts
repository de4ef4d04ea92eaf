import type { ImageTraits } from './analysis.ts';
import { expand } from './expand.ts';
import { flagValue, flagValues, type Instruction } from './instruction.ts';
import { parseMount, type Mount } from './mount.ts';
import { packagesContext } from './packages.ts';
import { parseDockerfile, type Dockerfile } from './parse.ts';
import { reject, stageNamed, type Stage, type Stages } from './stages.ts';

/** A stage that the target's build runs, with all that happens in it. */
export interface NeededStage {
  stage: Stage;
  /** Its place among the needed stages. */
  position: number;
  /** Undefined when the stage begins with nothing, with another stage, or with an image not known yet. */
  traits: ImageTraits | undefined;
  /** ONBUILD triggers of what it begins with, then its own instructions. */
  steps: Step[];
}

export interface Step {
  instruction: Instruction;
  /** True for an ONBUILD trigger. */
  triggered: boolean;
  /** What COPY --from and mounts' from mean, by what is written. */
  froms: Map<string, Source>;
}

export type Source =
  | { kind: 'stage'; stage: Stage }
  | { kind: 'image'; reference: string }
  | { kind: 'scratch' }
  /** The folder of large files. */
  | { kind: 'packages' };

/** The value of COPY --from; undefined for the build context. */
export function copyFrom(instruction: Instruction): string | undefined {
  return instruction.keyword === 'COPY' ? flagValue(instruction, 'from') || undefined : undefined;
}

/** The mounts of a RUN, variables written by `value`. Throws a Failure. */
export function mountsOf(dockerfile: Dockerfile, instruction: Instruction, value: (text: string) => string): Mount[] {
  if (instruction.keyword !== 'RUN') return [];
  return flagValues(instruction, 'mount').map((text) => {
    try {
      return parseMount(text, value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return reject(
        dockerfile,
        instruction,
        text,
        `--mount=${text}: ${error.message}`,
        'write type=…,source=…,target=…',
      );
    }
  });
}

function triggersOf(dockerfile: Dockerfile, stage: Stage, traits: ImageTraits | undefined): Instruction[] {
  const { base, from } = stage;
  if (base.kind === 'stage') {
    return base.stage.instructions.flatMap(({ operands }) =>
      operands.form === 'trigger' ? [{ ...operands.instruction, at: from.at, lines: from.lines }] : [],
    );
  }
  return (traits?.onbuild ?? []).map((text) => {
    const { instructions } = parseDockerfile(text, dockerfile.file, from.at);
    const [only, ...others] = instructions;
    if (only && others.length === 0) return { ...only, lines: from.lines };
    return reject(
      dockerfile,
      from,
      undefined,
      'an ONBUILD trigger of the image is not one instruction',
      'begin with an image whose triggers are sound',
    );
  });
}

function sourcesOf(dockerfile: Dockerfile, stages: Stages, user: Stage, instruction: Instruction): Map<string, Source> {
  const found = new Map<string, Source>();
  const add = (from: string, byIndex: boolean) => {
    const stage = stageNamed(dockerfile, stages, user, instruction, from, byIndex);
    if (stage) found.set(from, { kind: 'stage', stage });
    else if (stages.packages && from === packagesContext) found.set(from, { kind: 'packages' });
    else found.set(from, from === 'scratch' ? { kind: 'scratch' } : { kind: 'image', reference: from });
  };
  const from = copyFrom(instruction);
  if (from !== undefined) {
    const plain = expand(from, () => undefined, { escape: dockerfile.escape, skipUnset: true });
    if (plain.names.size > 0) {
      const fix = 'put FROM … AS NAME with the variable before it and copy from NAME';
      reject(dockerfile, instruction, from, 'COPY --from takes no variables', fix);
    }
    add(from, true);
  }
  for (const mount of mountsOf(dockerfile, instruction, (text) => text)) {
    if (mount.from !== undefined) add(mount.from, false);
  }
  return found;
}

/** The stages that the target's build runs, in the order of the file. */
export function neededStages(
  dockerfile: Dockerfile,
  stages: Stages,
  traitsOf: (reference: string) => ImageTraits | undefined,
): NeededStage[] {
  const found = new Map<Stage, Omit<NeededStage, 'position'>>();
  const waiting = [stages.target];
  for (let stage = waiting.pop(); stage; stage = waiting.pop()) {
    if (found.has(stage)) continue;
    const { base } = stage;
    const traits = base.kind === 'image' ? traitsOf(base.reference) : undefined;
    const step = (instruction: Instruction, triggered: boolean): Step => ({
      instruction,
      triggered,
      froms: sourcesOf(dockerfile, stages, stage!, instruction),
    });
    const steps = [
      ...triggersOf(dockerfile, stage, traits).map((instruction) => step(instruction, true)),
      ...stage.instructions.map((instruction) => step(instruction, false)),
    ];
    found.set(stage, { stage, traits, steps });
    if (base.kind === 'stage') waiting.push(base.stage);
    for (const { froms } of steps) {
      for (const source of froms.values()) if (source.kind === 'stage') waiting.push(source.stage);
    }
  }
  const sorted = [...found.values()].toSorted((a, b) => a.stage.index - b.stage.index);
  return sorted.map((one, position) => ({ ...one, position }));
}
