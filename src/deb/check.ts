import type { Config } from '../config/config.ts';
import { planAllDebs, type DebsPlan, type PlanDebsOptions } from './plan-debs.ts';

/** Sorts before every release. */
export const unreleased = '0.0.0-dev';

/**
 * Checks the packages without images, store or writing: every value, every pattern, that every file of a declared tree
 * is in exactly one package, that no two packages own one path, and that none needs one that is off. Throws a Failure
 * or Failures.
 */
export async function checkDebs(
  config: Config,
  only?: readonly string[],
  options: Partial<PlanDebsOptions> = {},
): Promise<DebsPlan> {
  return planAllDebs({ version: unreleased, ...options, config, images: [], only, check: true });
}
