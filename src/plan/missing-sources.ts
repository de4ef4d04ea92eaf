import { lstat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { BuildContext } from '../context/context.ts';
import { Failure } from '../failure.ts';
import { nearestFile } from '../files/nearest.ts';
import type { LayerInputs } from './layer-inputs.ts';

/**
 * Sources of COPY and ADD that the context of a layer does not have. Without a path every builder fails: an error. For a
 * pattern with wildcards BuildKit copies nothing, and Docker's own builder fails where no other source of the step has
 * anything: a warning. `root`: absolute, the repository's.
 */
export async function missingSources(
  root: string,
  { link, analysis }: Pick<LayerInputs, 'link' | 'analysis'>,
  context: BuildContext,
): Promise<{ warnings: string[]; failures: Failure[] }> {
  const { layer } = link;
  const warnings: string[] = [];
  const failures: Failure[] = [];
  for (const via of ['copy', 'add'] as const) {
    const selections = analysis.files.filter((selection) => selection.via === via);
    for (const { pattern, at, required } of context.missing(selections)) {
      const step = `${via.toUpperCase()} ${pattern}`;
      if (!required) {
        warnings.push(`${layer.name}: ${at.file}:${at.line}: ${step} matches no file`);
        continue;
      }
      const folder = posix.normalize(layer.context);
      const because = `layer ${layer.name}: ${step}: the context ${folder} has no such file or folder`;
      const fix = await adviceFor(join(root, folder), pattern);
      failures.push(new Failure({ doing: `reading ${at.file}`, because, fix, at, kind: 'input' }));
    }
  }
  return { warnings, failures };
}

async function adviceFor(context: string, pattern: string): Promise<string> {
  const stats = await lstat(join(context, pattern)).catch(() => undefined);
  if (stats?.isFile() || stats?.isDirectory())
    return 'it is there, and .dockerignore leaves it out: mend one of the two';
  if (stats !== undefined) return 'it is there, but no file and no folder: name what it stands for';
  const near = await nearestFile(context, pattern);
  return near === undefined ? 'make it, or mend the path' : `the nearest is ${near}`;
}
