import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/config.ts';
import type { BuildEvent } from '../engine/engine.ts';
import { Failure } from '../failure.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import type { PlannedBuild } from '../plan/plan-layers.ts';

/** BuildKit's name for the step in which the client sends the files. */
const contextStep = '[internal] load build context';

export interface ContextWatch {
  /** Ends the build when files changed under it; follows the given signal. */
  signal: AbortSignal;
  onStep(event: BuildEvent): void;
  /** Throws a Failure when what was sent is not what was planned. */
  settled(): Promise<void>;
  /** Ends a look at the files that is under way, and waits for its end. */
  close(): Promise<void>;
}

/**
 * Sees to it that what is built is what was planned: a file that changes in between would be saved under the
 * fingerprint of its former content, and reused wrongly ever after. The files are read once more as soon as the engine has
 * them; what is edited later, while steps run, does no harm.
 */
export function watchContext(config: Config, build: PlannedBuild, signal: AbortSignal): ContextWatch {
  const stop = new AbortController();
  const closed = new AbortController();
  const steps = new Set<string>();
  let checking: Promise<void> | undefined;
  const check = () => {
    checking ??= checkUnchanged(config, build, AbortSignal.any([signal, closed.signal]));
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
    async close() {
      closed.abort();
      await checking?.catch(() => undefined);
    },
  };
}

/** Reads the same files as the plan once more. Throws a Failure that names the first that is another now. */
export async function checkUnchanged(
  config: Config,
  { inputs, context }: PlannedBuild,
  signal: AbortSignal,
): Promise<void> {
  const { link, analysis } = inputs;
  const { dockerfile, generated } = link.layer;
  const source = await readFile(path.join(config.root, dockerfile), 'utf8').catch(() => undefined);
  // A generated one is built as it was planned, whatever becomes of what it was made from.
  const same = generated !== undefined || isSame(source, link);
  const [changed] = same
    ? await context.changed(analysis.unresolved.length > 0 ? undefined : analysis.files, signal)
    : [dockerfile];
  if (changed === undefined) return;
  throw new Failure({
    doing: `building ${link.layer.name}`,
    because: `${changed} changed while it was built`,
    fix: 'run it again when nothing writes there any more; nothing of it was saved',
  });
}

function isSame(source: string | undefined, { layer, written }: PlannedBuild['inputs']['link']): boolean {
  const now = source === undefined ? [] : parseDockerfile(source, layer.dockerfile).instructions;
  return JSON.stringify(now) === JSON.stringify(written.instructions);
}
