import type { Plan } from '../plan/plan.ts';

/** Outputs travel between jobs as environment and expression strings, which are far smaller than GitHub's 1 MB. */
export const largestPlanOutput = 64 * 1024;

/**
 * The plan as JSON of at most 64 KiB: whole where it fits, else without what is longest and least needed. What is left
 * is still a plan: `reasonCount` tells how many reasons there were, and a warning says that some are left out.
 */
export function planOutput(plan: Plan): string {
  const warning = 'the plan is shortened here; the file that plan-file names is whole';
  const shortened = (layers: Plan['layers']): Plan => ({ ...plan, layers, warnings: [warning] });
  const without = (kept: number) => plan.layers.map((layer) => ({ ...layer, reasons: layer.reasons.slice(0, kept) }));
  const forms = [
    () => plan,
    () => shortened(without(3)),
    () => shortened(without(0)),
    () => shortened(without(0).filter((layer) => layer.action === 'build')),
    () => ({ ...shortened([]), waves: [] }),
  ];
  for (const form of forms) {
    const text = JSON.stringify(form());
    if (Buffer.byteLength(text) <= largestPlanOutput) return text;
  }
  throw new RangeError('a plan without layers exceeds 64 KiB');
}
