import { didYouMean } from '../config/did-you-mean.ts';
import { samePlatform } from '../oci/platform.ts';
import type { AnalysisOptions, ImageUse } from './analysis.ts';
import { instructionText, wordsOf, type Instruction } from './instruction.ts';
import { neededStages, type NeededStage } from './needed.ts';
import type { Dockerfile } from './parse.ts';
import { readStages, type Stage, type StageOptions, type Stages } from './stages.ts';

/**
 * The images outside the Dockerfile that the target's stages use. ONBUILD triggers of images that `traitsOf` does not
 * know may use more. Each reference once for every way and platform. Throws a Failure.
 */
export function imageReferences(dockerfile: Dockerfile, options: AnalysisOptions): ImageUse[] {
  const stages = readStages(dockerfile, options);
  return imageUses(dockerfile, stages, neededStages(dockerfile, stages, options.traitsOf), options);
}

/** The ONBUILD triggers of the image that the target makes, as its children read them. Throws a Failure. */
export function triggersOfImage(dockerfile: Dockerfile, options: StageOptions): string[] {
  return triggersOfStage(readStages(dockerfile, options).target);
}

export function triggersOfStage({ instructions }: Stage): string[] {
  return instructions.flatMap(({ operands }) => (operands.form === 'trigger' ? triggerText(operands.instruction) : []));
}

function triggerText(instruction: Instruction): string {
  const text = instructionText(instruction, ({ value }) => value);
  const bodies = instruction.heredocs.map(({ name, body }) => `\n${body}${name}`);
  return [text, ...bodies].join('');
}

export function imageUses(
  dockerfile: Dockerfile,
  stages: Stages,
  needed: readonly NeededStage[],
  options: StageOptions,
): ImageUse[] {
  const found = new Map<string, ImageUse>();
  const add = (use: ImageUse) => {
    const key = JSON.stringify([use.reference, use.via, use.platform ?? null]);
    if (!found.has(key)) found.set(key, use);
  };
  for (const { stage, steps } of needed) {
    const { base, from, platform } = stage;
    const earlier = stages.all.slice(0, stage.index).flatMap(({ name }) => name ?? []);
    const near = (reference: string) => {
      const nearStage = didYouMean(reference, earlier);
      return nearStage === undefined ? {} : { nearStage };
    };
    if (base.kind === 'image') {
      const other = platform && !samePlatform(platform, options.platform) ? { platform } : {};
      add({
        reference: base.reference,
        via: 'from',
        at: dockerfile.locate(from, wordsOf(from)[0]),
        ...other,
        ...near(base.reference),
      });
    }
    for (const { instruction, froms, triggered } of steps) {
      const via = instruction.keyword === 'COPY' ? 'copy-from' : 'mount-from';
      for (const source of froms.values()) {
        if (source.kind !== 'image') continue;
        const at = triggered ? instruction.at : dockerfile.locate(instruction, source.reference);
        add({ reference: source.reference, via, at, ...near(source.reference) });
      }
    }
  }
  return [...found.values()];
}
