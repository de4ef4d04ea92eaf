import type { Instruction } from '../dockerfile/instruction.ts';
import { wordsOf } from '../dockerfile/instruction.ts';
import { neededStages } from '../dockerfile/needed.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import { readStages, type StageOptions } from '../dockerfile/stages.ts';
import { Failure, type SourceLocation } from '../failure.ts';

type Place = {
  via: 'from' | 'copy-from' | 'mount-from';
  instruction: Instruction;
  reference: string;
  at: SourceLocation;
};

/**
 * The Dockerfile with other names for some of its images, for builders that take a parent by its name only. Nothing
 * else changes: every instruction stays on its lines. `names` maps references after expansion to the names to write.
 * Throws a Failure when an image is named in a way that cannot be rewritten.
 */
export function deriveDockerfile(
  source: string,
  dockerfile: Dockerfile,
  options: StageOptions,
  names: ReadonlyMap<string, string>,
): string {
  const lines = source.split('\n');
  const rewritten = new Set<string>();
  for (const place of placesOf(dockerfile, options)) {
    const name = names.get(place.reference);
    if (name === undefined) continue;
    const [first, last] = place.instruction.lines;
    const before = lines.slice(first - 1, last).join('\n');
    const after = rewrite(before, place, name);
    if (after === undefined) throw unwritable(dockerfile, place.reference, place.at);
    rewritten.add(place.reference);
    lines.splice(first - 1, last - first + 1, ...after.split('\n'));
  }
  for (const reference of names.keys()) {
    // An ONBUILD trigger of a base names it: there is no place in this file.
    if (!rewritten.has(reference)) throw unwritable(dockerfile, reference, dockerfile.instructions[0]!.at);
  }
  return lines.join('\n');
}

function placesOf(dockerfile: Dockerfile, options: StageOptions): Place[] {
  const stages = readStages(dockerfile, options);
  return neededStages(dockerfile, stages, () => undefined).flatMap(({ stage, steps }) => {
    const { base, from } = stage;
    const places: Place[] = [];
    if (base.kind === 'image') {
      const { reference } = base;
      places.push({ via: 'from', instruction: from, reference, at: dockerfile.locate(from, wordsOf(from)[0]) });
    }
    for (const { instruction, froms } of steps) {
      const via = instruction.keyword === 'COPY' ? 'copy-from' : 'mount-from';
      for (const one of froms.values()) {
        if (one.kind !== 'image') continue;
        const { reference } = one;
        places.push({ via, instruction, reference, at: dockerfile.locate(instruction, reference) });
      }
    }
    return places;
  });
}

function unwritable(dockerfile: Dockerfile, reference: string, at: SourceLocation): Failure {
  return new Failure({
    doing: `reading ${dockerfile.file}`,
    because: `this engine takes a parent by its name only, and the place that names ${reference} cannot be rewritten`,
    fix: 'install buildx, which needs no such place; or name the image on one line, without quotes',
    at,
  });
}

function rewrite(text: string, { via, instruction, reference }: Place, name: string): string | undefined {
  const pattern = {
    // Behind the keyword and the flags, which may hold the same word.
    from: () => new RegExp(String.raw`^(\s*\S+(?:[\s\\]+--\S+)*[\s\\]+)${escaped(wordsOf(instruction)[0]!)}(?=\s|$)`),
    'copy-from': () => new RegExp(String.raw`(--from=["']?)${escaped(reference)}(?=["'\s\\])`),
    'mount-from': () => new RegExp(String.raw`(--mount=\S*?\bfrom=["']?)${escaped(reference)}(?=[,"'\s\\])`, 'g'),
  }[via]();
  const after = text.replace(pattern, (_, before: string) => `${before}${name}`);
  return after === text ? undefined : after;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
}
