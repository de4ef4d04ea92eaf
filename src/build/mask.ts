import { readFile } from 'node:fs/promises';
import type { SecretSource } from '../config/config.ts';
import type { BuildEvent } from '../engine/engine.ts';
import { Failure } from '../failure.ts';

/** Shorter lines are in too many texts that are no secrets: `}`, `yes`. */
const shortest = 6;
/** Larger files are archives or databases: no step prints those. In bytes. */
const largest = 64 * 1024;
const stars = '***';

/** Takes values out of what a build tells: a step may print what it was given in confidence. */
export interface Mask {
  /** Passes events on. The values are found also where the output of a step comes in pieces. */
  events(onEvent: (event: BuildEvent) => void): (event: BuildEvent) => void;
  /** The error without the values. */
  error(error: unknown): unknown;
}

/** Of each secret its value, and where it has several lines each of them. */
export async function maskFor(secrets: readonly SecretSource[], env: NodeJS.ProcessEnv): Promise<Mask> {
  const texts = await Promise.all(
    secrets.map(async (secret) => {
      if (secret.from === 'env') return env[secret.name] ?? '';
      const bytes = await readFile(secret.path);
      return bytes.length <= largest ? bytes.toString('utf8') : '';
    }),
  );
  const values = texts.flatMap((text) => [text, ...text.split('\n')]).map((value) => value.trim());
  return maskOf([...new Set(values)].filter((value) => value.length >= shortest));
}

/** The longest value first: one may be a part of another. */
export function maskOf(values: readonly string[]): Mask {
  const ordered = values.toSorted((a, b) => b.length - a.length);
  const without = (text: string) => ordered.reduce((rest, value) => rest.replaceAll(value, stars), text);
  return {
    events(onEvent) {
      if (ordered.length === 0) return onEvent;
      /** What of a step's output may be the beginning of a value. */
      const held = new Map<string, string>();
      return (event) => {
        if (event.kind === 'log') {
          const text = without((held.get(event.id) ?? '') + event.text);
          const begun = beginningOf(ordered, text);
          held.set(event.id, text.slice(text.length - begun));
          if (begun < text.length) onEvent({ ...event, text: text.slice(0, text.length - begun) });
          return;
        }
        const rest = held.get(event.id);
        if (rest !== undefined && rest !== '') onEvent({ kind: 'log', id: event.id, text: rest });
        held.delete(event.id);
        onEvent(event.kind === 'step-done' && event.error ? { ...event, error: without(event.error) } : event);
      };
    },
    error(error) {
      if (!(error instanceof Failure) || ordered.length === 0) return error;
      const { doing, because, fix, at, kind, cause } = error;
      return new Failure({ doing, because: without(because), fix, kind, cause, ...(at === undefined ? {} : { at }) });
    },
  };
}

/** How many characters at the end of the text are the beginning of some value. */
function beginningOf(values: readonly string[], text: string): number {
  let most = 0;
  for (const value of values) {
    for (let size = Math.min(value.length - 1, text.length); size > most; size--) {
      if (text.endsWith(value.slice(0, size))) most = size;
    }
  }
  return most;
}
