import type { BuildEvent } from './engine.ts';

/** One line of `docker buildx build --progress=rawjson`: BuildKit's client.SolveStatus. Only what is read here. */
interface SolveStatus {
  vertexes?: { digest: string; name: string; started?: string; completed?: string; cached?: boolean; error?: string }[];
  logs?: { vertex: string; data: string }[];
}

/** Lines that are not progress (the error at the end) are given to `onOther`. */
export function rawProgress(
  onEvent: (event: BuildEvent) => void,
  onOther: (line: string) => void,
): (line: string) => void {
  const started = new Set<string>();
  const done = new Set<string>();
  const decoders = new Map<string, InstanceType<typeof TextDecoder>>();
  return (line) => {
    const status = parse(line);
    if (status === undefined) {
      if (line.trim() !== '') onOther(line);
      return;
    }
    for (const { digest: id, name, cached = false, ...vertex } of status.vertexes ?? []) {
      if (vertex.started !== undefined && !started.has(id)) {
        started.add(id);
        onEvent({ kind: 'step-started', id, name, cached });
      }
      // BuildKit completes a vertex again when its work goes on; an error is never taken back.
      if (vertex.completed === undefined || (done.has(id) && !vertex.error)) continue;
      done.add(id);
      onEvent({ kind: 'step-done', id, cached, ...(vertex.error ? { error: vertex.error } : {}) });
    }
    for (const { vertex: id, data } of status.logs ?? []) {
      const decoder = decoders.get(id) ?? new TextDecoder();
      decoders.set(id, decoder);
      onEvent({ kind: 'log', id, text: decoder.decode(Buffer.from(data, 'base64'), { stream: true }) });
    }
  };
}

function parse(line: string): SolveStatus | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as SolveStatus;
  } catch {
    return undefined;
  }
}
