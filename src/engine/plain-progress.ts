import type { BuildEvent } from './engine.ts';

/**
 * Reads the lines of `docker build --progress=plain`: `#4 [2/3] RUN make`, `#4 0.5 output`, `#4 DONE 1.2s`.
 * Lines that belong to no step (the error at the end) are given to `onOther`.
 */
export function plainProgress(
  onEvent: (event: BuildEvent) => void,
  onOther: (line: string) => void,
): (line: string) => void {
  const steps = new Map<string, { done: boolean }>();
  let over = false;
  return (line) => {
    const match = over ? undefined : /^#(\d+) (.*)$/.exec(line);
    if (!match) {
      // The summary of the failing steps comes after all of them, and repeats their lines.
      if (/^-{6,}$/.test(line)) over = true;
      if (line !== '') onOther(line);
      return;
    }
    const [, id, text] = match as unknown as [string, string, string];
    const step = steps.get(id);
    if (step === undefined) {
      steps.set(id, { done: false });
      onEvent({ kind: 'step-started', id, name: text, cached: false });
      return;
    }
    const log = /^\d+\.\d+ (.*)$/s.exec(text);
    if (log) onEvent({ kind: 'log', id, text: `${log[1]}\n` });
    if (step.done) return;
    const end = /^(?:(CACHED)|DONE [\d.]+s|(CANCELED)|ERROR: (.*))$/.exec(text);
    if (!end) return;
    step.done = true;
    const error = end[3] ?? (end[2] === undefined ? undefined : 'canceled');
    onEvent({ kind: 'step-done', id, cached: end[1] !== undefined, ...(error === undefined ? {} : { error }) });
  };
}
