import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LayerEvent } from '../../src/build/event.ts';
import { buildProgress } from '../../src/report/build-progress.ts';
import { styleFor } from '../../src/report/failure.ts';
import { formatSeconds } from '../../src/report/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function shown(): { text(): string; onEvent(event: LayerEvent): void; close(): void } {
  let text = '';
  const output = { write: (part: string) => (text += part) };
  const style = styleFor({ isTTY: false } as NodeJS.WriteStream, {});
  return { ...buildProgress(output, style), text: () => text };
}

const of = { layer: 'base', platform: 'linux/amd64' };
const step = (name: string): LayerEvent => ({
  kind: 'step',
  ...of,
  event: { kind: 'step-started', id: name, name, cached: false },
});

test('a step that takes long is told before it ends, once, where nothing is redrawn', () => {
  const progress = shown();
  progress.onEvent({ kind: 'started', ...of } as LayerEvent);
  progress.onEvent(step('[1/2] RUN make'));
  vi.advanceTimersByTime(8000);
  expect(progress.text()).toBe('base │ building\n');
  vi.advanceTimersByTime(30_000);
  expect(progress.text()).toBe('base │ building\nbase │ [1/2] RUN make goes on\n');
  progress.close();
});

test('what the builder does for itself is shown only where it takes long', () => {
  const progress = shown();
  progress.onEvent({ kind: 'started', ...of } as LayerEvent);
  const name = '[internal] load build context';
  progress.onEvent(step(name));
  progress.onEvent({ kind: 'step', ...of, event: { kind: 'step-done', id: name, cached: false } } as LayerEvent);
  expect(progress.text()).toBe('base │ building\n');
  progress.onEvent(step(name));
  vi.advanceTimersByTime(15_000);
  expect(progress.text()).toContain(`base │ ${name} goes on`);
  progress.close();
});

test('every line of a layer that has several platforms names its own', () => {
  const progress = shown();
  const tell = (platform: string, event: object) =>
    progress.onEvent({ layer: 'base', platform, severalPlatforms: true, ...event } as LayerEvent);
  const digest = `sha256:${'1'.repeat(64)}`;
  tell('linux/amd64', { kind: 'started' });
  tell('linux/amd64', { kind: 'done', outcome: 'built', seconds: 1, bytes: 0, digest });
  tell('linux/arm64', { kind: 'started' });
  tell('linux/arm64', { kind: 'failed', seconds: 1 });
  tell('linux/riscv64', { kind: 'done', outcome: 'reused', seconds: 0, bytes: 0, digest });
  tell('linux/amd64', { kind: 'loading', name: 'base:1' });
  expect(progress.text().replaceAll(/ (?:in|after|sha256).*/g, '')).toBe(
    [
      'base (linux/amd64) │ building',
      'base (linux/amd64) │ built',
      'base (linux/arm64) │ building',
      'base (linux/arm64) │ failed',
      'base (linux/riscv64) │ reused',
      'base (linux/amd64) │ loading',
      '',
    ].join('\n'),
  );
  progress.close();
});

test.each([
  [0.04, '0.0 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.6, '1 min 0 s'],
  [719.6, '12 min 0 s'],
  [130, '2 min 10 s'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
