import { samePlatform } from '../oci/platform.ts';
import type { ImageUse } from './analysis.ts';
import { wordsOf } from './instruction.ts';
import { neededStages, type NeededStage } from './needed.ts';
import type { Dockerfile } from './parse.ts';
import { readStages, type StageOptions } from './stages.ts';

/**
 * The images outside the Dockerfile that the target's stages use, as far as the Dockerfile alone tells: ONBUILD
 * triggers of images may use more. Each reference once for every way and platform. Throws a Failure.
 */
export function imageReferences(dockerfile: Dockerfile, options: StageOptions): ImageUse[] {
  const stages = readStages(dockerfile, options);
  return imageUses(
    dockerfile,
    neededStages(dockerfile, stages, () => undefined),
    options,
  );
}

export function imageUses(dockerfile: Dockerfile, needed: readonly NeededStage[], options: StageOptions): ImageUse[] {
  const found = new Map<string, ImageUse>();
  const add = (use: ImageUse) => {
    const key = JSON.stringify([use.reference, use.via, use.platform ?? null]);
    if (!found.has(key)) found.set(key, use);
  };
  for (const { stage, steps } of needed) {
    const { base, from, platform } = stage;
    if (base.kind === 'image') {
      const other = platform && !samePlatform(platform, options.platform) ? { platform } : {};
      add({ reference: base.reference, via: 'from', at: dockerfile.locate(from, wordsOf(from)[0]), ...other });
    }
    for (const { instruction, froms, triggered } of steps) {
      const via = instruction.keyword === 'COPY' ? 'copy-from' : 'mount-from';
      for (const source of froms.values()) {
        if (source.kind !== 'image') continue;
        const at = triggered ? instruction.at : dockerfile.locate(instruction, source.reference);
        add({ reference: source.reference, via, at });
      }
    }
  }
  return [...found.values()];
}
