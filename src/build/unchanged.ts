import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/config.ts';
import type { BuildEvent } from '../engine/engine.ts';
import { openContext, openWorkTree } from '../context/context.ts';
import { Failure } from '../failure.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import type { Input } from '../plan/input.ts';
import type { PlannedBuild } from '../plan/plan-layers.ts';

/** BuildKit's name for the step in which the client sends the files. */
const contextStep = '[internal] load build context';

export interface ContextWatch {
  /** Ends the build when files changed under it; follows the given signal. */
  signal: AbortSignal;
  onStep(event: BuildEvent): void;
  /** Throws a Failure when what was sent is not what was planned. */
  settled(): Promise<void>;
}

/**
 * Sees to it that what is built is what was planned: a file that changes in between would be saved under the
 * fingerprint of its former content, and reused wrongly ever after. The files are read once more as soon as the engine has
 * them; what is edited later, while steps run, does no harm.
 */
export function watchContext(config: Config, build: PlannedBuild, signal: AbortSignal): ContextWatch {
  const stop = new AbortController();
  const steps = new Set<string>();
  let checking: Promise<void> | undefined;
  const check = () => {
    checking ??= checkUnchanged(config, build, signal);
    // The build is ended with the very Failure; `settled` throws it where the build was faster.
    checking.catch((error: unknown) => stop.abort(error));
  };
  return {
    signal: AbortSignal.any([signal, stop.signal]),
    onStep(event) {
      if (event.kind === 'step-started' && event.name === contextStep) steps.add(event.id);
      if (event.kind === 'step-done' && steps.has(event.id)) check();
    },
    settled() {
      check();
      return checking!;
    },
  };
}

/** Reads the same files as the plan once more. Throws a Failure that names the one that is another now. */
async function checkUnchanged(config: Config, { inputs }: PlannedBuild, signal: AbortSignal): Promise<void> {
  const { link, analysis } = inputs;
  const changed = (what: string): Failure =>
    new Failure({
      doing: `building ${link.layer.name}`,
      because: `${what} changed while it was built`,
      fix: 'run it again when nothing writes there any more; nothing of it was saved',
    });
  const source = await readFile(path.join(config.root, link.layer.dockerfile), 'utf8');
  const now = parseDockerfile(source, link.layer.dockerfile);
  if (JSON.stringify(now.instructions) !== JSON.stringify(link.dockerfile.instructions))
    throw changed(link.layer.dockerfile);
  const tree = await openWorkTree(config.root, { signal });
  try {
    const context = await openContext({ root: config.root, layer: link.layer, tree, signal });
    const files = analysis.unresolved.length > 0 ? await context.all() : await context.select(analysis.files);
    const planned = new Map<string, string>();
    for (const input of inputs.inputs) if (input.kind === 'file') planned.set(input.path, lineOf(input));
    for (const { path: file, origin, mode, hash } of files) {
      if (planned.get(file) !== lineOf({ kind: 'file', path: file, mode, hash })) throw changed(origin);
      planned.delete(file);
    }
    const [gone] = planned.keys();
    if (gone !== undefined) throw changed(gone);
  } finally {
    await tree.close();
  }
}

function lineOf({ mode, hash }: Extract<Input, { kind: 'file' }>): string {
  return `${mode} ${hash}`;
}
