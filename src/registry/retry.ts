import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from './error.ts';

export interface RetryPolicy {
  /** How often something is tried in all. */
  attempts: number;
  /** Milliseconds before the second try; doubled each time, up to `longest`, less a random part of it. */
  first: number;
  longest: number;
  /** A registry that asks for a longer pause than this (milliseconds) is told as an error. */
  patience: number;
}

export const defaultRetry: RetryPolicy = { attempts: 5, first: 500, longest: 20_000, patience: 120_000 };

export interface RetryOptions {
  policy: RetryPolicy;
  signal?: AbortSignal | undefined;
  /** Told before each pause, in milliseconds. */
  onRetry?: ((error: RegistryError, pause: number) => void) | undefined;
}

/**
 * Tries again what failed for a reason that may pass: 429, 5xx, a cut connection. `work` gets the number of the try,
 * from 0. A pause that the registry asks for (Retry-After) is kept.
 */
export async function withRetry<T>(options: RetryOptions, work: (attempt: number) => Promise<T>): Promise<T> {
  const { policy, signal, onRetry } = options;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (!(error instanceof RegistryError) || !error.temporary || attempt + 1 >= policy.attempts) throw error;
      if ((error.retryAfter ?? 0) > policy.patience) throw error;
      const pause = error.retryAfter ?? backoff(policy, attempt);
      onRetry?.(error, pause);
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  }
}

export function backoff(policy: RetryPolicy, attempt: number, random = Math.random()): number {
  const full = Math.min(policy.first * 2 ** attempt, policy.longest);
  return Math.round(full * (0.5 + random / 2));
}
