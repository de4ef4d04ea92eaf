import { describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/engine/engine.ts';
import { plainProgress } from '../../src/engine/plain-progress.ts';
import { rawProgress } from '../../src/engine/raw-progress.ts';

function collect(make: typeof plainProgress, lines: string[]) {
  const events: BuildEvent[] = [];
  const other: string[] = [];
  const onLine = make(
    (event) => events.push(event),
    (line) => other.push(line),
  );
  for (const line of lines) onLine(line);
  return { events, other };
}

describe('plain progress', () => {
  it('reads steps, their output, cache hits and errors as Docker 20.10 writes them', () => {
    const { events, other } = collect(plainProgress, [
      '#1 [internal] load build definition from Dockerfile',
      '#1 sha256:66ede0247a70b3449888020b4769a534b2864c3505d599af8ba67a8bbf3940be',
      '#1 transferring dockerfile: 257B done',
      '#1 DONE 0.0s',
      '',
      '#5 [one 2/3] RUN make',
      '#5 CACHED',
      '',
      '#9 [stage-1 2/2] RUN echo out; false',
      '#9 0.346 out',
      '#9 1.5 #2 [x] RUN not a step',
      '#9 ERROR: executor failed running [/bin/sh -c echo out; false]: exit code: 1',
      '------',
      ' > [stage-1 2/2] RUN echo out; false:',
      '#9 0.346 out',
      '------',
      'executor failed running [/bin/sh -c echo out; false]: exit code: 1',
    ]);
    expect(events).toEqual([
      { kind: 'step-started', id: '1', name: '[internal] load build definition from Dockerfile', cached: false },
      { kind: 'step-done', id: '1', cached: false },
      { kind: 'step-started', id: '5', name: '[one 2/3] RUN make', cached: false },
      { kind: 'step-done', id: '5', cached: true },
      { kind: 'step-started', id: '9', name: '[stage-1 2/2] RUN echo out; false', cached: false },
      { kind: 'log', id: '9', text: 'out\n' },
      { kind: 'log', id: '9', text: '#2 [x] RUN not a step\n' },
      {
        kind: 'step-done',
        id: '9',
        cached: false,
        error: 'executor failed running [/bin/sh -c echo out; false]: exit code: 1',
      },
    ]);
    expect(other.at(-1)).toBe('executor failed running [/bin/sh -c echo out; false]: exit code: 1');
  });
});

describe('rawjson progress', () => {
  const vertex = (fields: Record<string, unknown>) =>
    JSON.stringify({ vertexes: [{ digest: 'sha256:a', name: 'RUN x', ...fields }] });

  it('tells each step once, however often BuildKit repeats it', () => {
    const { events } = collect(rawProgress, [
      vertex({}),
      vertex({ started: 't1' }),
      vertex({ started: 't1', completed: 't2', cached: true }),
      vertex({ started: 't3' }),
      vertex({ started: 't3', completed: 't4' }),
    ]);
    expect(events).toEqual([
      { kind: 'step-started', id: 'sha256:a', name: 'RUN x', cached: false },
      { kind: 'step-done', id: 'sha256:a', cached: true },
    ]);
  });

  it('decodes output whose characters are cut between two messages', () => {
    const bytes = Buffer.from('für\n');
    const log = (data: Buffer) => JSON.stringify({ logs: [{ vertex: 'sha256:a', data: data.toString('base64') }] });
    const { events } = collect(rawProgress, [log(bytes.subarray(0, 2)), log(bytes.subarray(2))]);
    expect(events.map((event) => (event.kind === 'log' ? event.text : '')).join('')).toBe('für\n');
  });

  it('hands over what is no progress', () => {
    const { events, other } = collect(rawProgress, ['Dockerfile:3', '{not json', 'ERROR: failed to solve: no']);
    expect(events).toEqual([]);
    expect(other).toEqual(['Dockerfile:3', '{not json', 'ERROR: failed to solve: no']);
  });
});
