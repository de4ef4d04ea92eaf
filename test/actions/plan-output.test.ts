import { expect, test } from 'vitest';
import { largestPlanOutput, planOutput } from '../../src/actions/plan-output.ts';
import type { Plan, PlannedLayer } from '../../src/plan/plan.ts';

function plan(count: number, reasons: number, action: 'build' | 'reuse' = 'build'): Plan {
  const layers = Array.from({ length: count }, (_, index): PlannedLayer => ({
    name: `layer-${index}`,
    platform: 'linux/amd64',
    image: `layer-${index}`,
    repository: `layer-${index}`,
    fingerprint: 'f'.repeat(64),
    action,
    digest: null,
    parents: [],
    wave: 0,
    comparedWith: null,
    reasons: Array.from({ length: reasons }, () => ({ kind: 'file-changed' as const, path: 'a/long/path/'.repeat(8) })),
    reasonCount: reasons,
  }));
  return { schema: 1, store: 's', layers, waves: [], hasWork: true, warnings: [] };
}

test('a plan that fits is given whole', () => {
  const made = plan(3, 2);
  expect(JSON.parse(planOutput(made))).toEqual(made);
});

test.each([
  ['many reasons', plan(50, 20), 50],
  ['many layers', plan(180, 20), 180],
  ['very many layers', plan(5000, 20), 0],
])('%s: at most 64 KiB, still a plan, and says that it is shortened', (_, made, layers) => {
  const text = planOutput(made);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(largestPlanOutput);
  const read = JSON.parse(text) as Plan;
  expect(read.schema).toBe(1);
  expect(read.hasWork).toBe(true);
  expect(read.layers).toHaveLength(layers);
  expect(read.layers.every((layer) => layer.reasonCount === 20)).toBe(true);
  expect(read.warnings.join()).toContain('plan-file');
});
