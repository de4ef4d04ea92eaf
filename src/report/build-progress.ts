import { stripVTControlCharacters } from 'node:util';
import type { LayerEvent } from '../build/event.ts';
import type { Style } from './failure.ts';
import { formatBytes, formatSeconds } from './progress.ts';

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

interface RunningStep {
  name: string;
  begun: number;
  /** Not the user's own: shown only where it takes long. */
  internal: boolean;
  /** Whether a line has said that it takes long. */
  told: boolean;
  /** Output that was not written yet. */
  log: string;
  last: string;
}

interface RunningLayer {
  name: string;
  begun: number;
  state: 'building' | 'saving';
  steps: Map<string, RunningStep>;
}

const redrawEveryMs = 100;
/** Output of a step that goes on is written in portions, so that a long step in CI is seen to live. */
const flushEveryMs = 5000;
/** A step that takes longer is told before it ends, where nothing is redrawn. */
const longMs = 10_000;

/** Without escape sequences and other control characters, which would move the cursor. */
function plain(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n\r\t]/gu, '');
}

/** What is not the user's own step. */
const internal =
  /^\[(?:internal|auth)\]|^\[context |^(?:\[[^\]]*\] )?FROM |^(?:exporting|importing|preparing|resolv(?:e|ing) |load |sending|docker-image:)/;

/** `[builder 2/5] RUN pip install…` in one line. */
function stepLine(name: string): string {
  return name.replaceAll(/\s+/g, ' ');
}

/**
 * Shows a build: on a terminal the layers and steps under way are redrawn in place; elsewhere each step is a line when it
 * ends, and one more when it takes long, its output grouped below it, so that layers which are built at once don't mix.
 */
export function buildProgress(output: Output, style: Style): { onEvent(event: LayerEvent): void; close(): void } {
  const live = output.isTTY === true;
  const layers = new Map<string, RunningLayer>();
  let drawn = 0;
  let lastDraw = 0;
  let lastFlush = Date.now();

  const clear = () => {
    if (drawn > 0) output.write(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  const draw = () => {
    if (!live) return;
    lastDraw = Date.now();
    const width = Math.max(20, (output.columns ?? 80) - 1);
    const lines: string[] = [];
    for (const layer of layers.values()) {
      const time = formatSeconds((lastDraw - layer.begun) / 1000);
      lines.push(style.bold(`${layer.name}: ${layer.state} (${time})`.slice(0, width)));
      if (layer.state === 'saving') continue;
      for (const step of layer.steps.values()) {
        if (step.internal && lastDraw - step.begun < longMs) continue;
        lines.push(`  ${stepLine(step.name)}`.slice(0, width));
        if (step.last !== '') lines.push(style.dim(`    ${step.last}`.slice(0, width)));
      }
    }
    if (lines.length === 0) return;
    // What scrolls off the screen can't be drawn over.
    lines.splice(Math.max(1, (output.rows ?? 24) - 2));
    output.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  const write = (text: string) => {
    clear();
    output.write(`${text}\n`);
    draw();
  };
  const redraw = () => {
    if (!live || Date.now() - lastDraw < redrawEveryMs) return;
    clear();
    draw();
  };
  const tellLong = () => {
    for (const layer of layers.values()) {
      for (const step of layer.steps.values()) {
        if (step.told || Date.now() - step.begun < longMs) continue;
        step.told = true;
        output.write(`${layer.name} │ ${stepLine(step.name)} ${style.dim('goes on')}\n`);
      }
    }
  };
  const ticker = setInterval(live ? redraw : tellLong, live ? 500 : 2000);
  ticker.unref();

  const flush = (layer: RunningLayer, step: RunningStep, all: boolean) => {
    const end = all ? step.log.length : step.log.lastIndexOf('\n') + 1;
    const text = step.log.slice(0, end).replace(/\n$/, '');
    step.log = step.log.slice(end);
    if (text !== '' && !live) {
      output.write(
        `${text
          .split('\n')
          .map((line) => `${layer.name} │   ${line}`)
          .join('\n')}\n`,
      );
    }
  };

  const onStep = (layer: RunningLayer, event: Extract<LayerEvent, { kind: 'step' }>['event']) => {
    if (event.kind === 'step-started') {
      layer.steps.set(event.id, {
        name: event.name,
        begun: Date.now(),
        internal: internal.test(event.name),
        told: false,
        log: '',
        last: '',
      });
      redraw();
      return;
    }
    const step = layer.steps.get(event.id);
    if (!step) return;
    if (step.internal && event.kind === 'log') return;
    if (event.kind === 'log') {
      step.log += event.text;
      step.last = plain(step.log).trimEnd().split('\n').at(-1)?.split('\r').at(-1)?.replaceAll('\t', ' ') ?? '';
      if (live) {
        step.log = step.log.slice(-4096);
        redraw();
      } else if (Date.now() - lastFlush > flushEveryMs) {
        lastFlush = Date.now();
        for (const each of layers.values()) for (const one of each.steps.values()) flush(each, one, false);
      }
      return;
    }
    layer.steps.delete(event.id);
    if (step.internal) return;
    const took = event.cached ? 'cached' : formatSeconds((Date.now() - step.begun) / 1000);
    const mark = event.error === undefined ? style.dim(took) : style.red('failed');
    write(`${layer.name} │ ${stepLine(step.name)} ${mark}`);
    flush(layer, step, true);
  };

  return {
    onEvent(event) {
      const key = `${event.layer} ${event.platform}`;
      const name = event.severalPlatforms ? `${event.layer} (${event.platform})` : event.layer;
      if (event.kind === 'started') {
        layers.set(key, { name, begun: Date.now(), state: 'building', steps: new Map() });
        if (!live) output.write(`${name} │ building\n`);
        redraw();
        return;
      }
      const layer = layers.get(key);
      if (event.kind === 'step') {
        if (layer) onStep(layer, event.event);
      } else if (event.kind === 'saving') {
        if (layer) layer.state = 'saving';
        redraw();
      } else if (event.kind === 'loading') {
        write(`${name} │ loading into the local engine as ${event.name}`);
      } else {
        layers.delete(key);
        if (event.kind === 'failed') write(`${name} │ ${style.red('failed')} after ${formatSeconds(event.seconds)}`);
        else write(doneLine(name, event, style));
      }
    },
    close() {
      clearInterval(ticker);
      clear();
    },
  };
}

function doneLine(name: string, event: Extract<LayerEvent, { kind: 'done' }>, style: Style): string {
  const digest = style.dim(event.digest.slice(0, 19));
  if (event.outcome === 'reused') return `${name} │ ${style.green('reused')} ${digest}`;
  const how = event.outcome === 'built' ? 'built' : 'built; the same layer that was saved meanwhile is used';
  const stored = event.bytes > 0 ? `, ${formatBytes(event.bytes)} stored` : '';
  return `${name} │ ${style.green(how)} in ${formatSeconds(event.seconds)}${stored} ${digest}`;
}
