import { expect, test } from 'vitest';
import type { Plan, PlannedLayer } from '../../src/plan/plan.ts';
import { largestSummary, sections } from '../../src/report/github-markdown.ts';
import {
  buildSummary,
  deltaSummary,
  planSummary,
  tableSummary,
  type SummarizedDelta,
} from '../../src/report/github-summary.ts';

function layer(changes: Partial<PlannedLayer>): PlannedLayer {
  return {
    name: 'base',
    platform: 'linux/amd64',
    image: 'base',
    repository: 'base',
    fingerprint: 'f'.repeat(64),
    action: 'reuse',
    digest: `sha256:${'a'.repeat(64)}`,
    parents: [],
    wave: null,
    comparedWith: null,
    reasons: [],
    reasonCount: 0,
    ...changes,
  };
}

function plan(layers: PlannedLayer[], changes: Partial<Plan> = {}): Plan {
  return { schema: 1, store: 'ghcr.io/acme/app', layers, waves: [], hasWork: true, warnings: [], ...changes };
}

const built = layer({
  name: 'service',
  action: 'build',
  digest: null,
  parents: ['base'],
  reasons: [{ kind: 'file-changed', path: 'docker/service/app.py' }],
  reasonCount: 1,
});

test('the summary names what is built, why, and what is reused', () => {
  const page = planSummary(plan([layer({}), built]));
  expect(page).toContain('### 1 of 2 layers to build');
  expect(page).toContain('| <code>base</code> | linux/amd64 | reuse | <code>aaaaaaaaaaaa</code> |');
  expect(page).toContain('docker/service/app.py changed');
});

test('the chain is drawn from parents to children', () => {
  const page = planSummary(plan([layer({}), built]));
  expect(page).toMatch(
    /```mermaid\nflowchart LR\n {2}n0\["base"\]:::reuse\n {2}n1\["service"\]:::build\n {2}n0 --> n1/,
  );
});

test('a file name cannot break out of its cell', () => {
  const sly = layer({
    ...built,
    reasons: [{ kind: 'file-changed', path: 'a|b\n| x | <img src=x> @all `y` [z](http://e)' }],
  });
  const page = planSummary(plan([sly]));
  const row = page.split('\n').find((line) => line.includes('<b>') || line.includes('**build**'))!;
  expect(row.split('|')).toHaveLength(6);
  expect(page).not.toContain('<img');
  expect(page).not.toContain('@all');
  expect(page).not.toContain('](http');
});

test('more reasons than fit stand below the table', () => {
  const reasons = Array.from({ length: 20 }, (_, index) => ({ kind: 'file-added' as const, path: `f${index}` }));
  const page = planSummary(plan([layer({ ...built, reasons, reasonCount: 25 })]));
  expect(page).toContain('and 23 more');
  expect(page).toContain('- f19 added');
  expect(page).toContain('- and 5 more');
});

test('nothing to build is said', () => {
  expect(planSummary(plan([layer({})], { hasWork: false }))).toContain('### Nothing to build: 1 layer reused');
});

test('a build tells time, bytes moved and bytes saved', () => {
  const page = buildSummary(
    [
      { name: 'a', platform: 'linux/amd64', outcome: 'built', digest: `sha256:${'b'.repeat(64)}`, seconds: 2.5 },
      { name: 'b', platform: 'linux/amd64', outcome: 'reused', digest: `sha256:${'c'.repeat(64)}`, seconds: 0 },
    ],
    { moved: 1500, saved: 3_000_000_000 },
  );
  expect(page).toContain('### 1 layer built, 1 reused');
  expect(page).toContain('| <code>a</code> | linux/amd64 | built | 2.5 s | <code>bbbbbbbbbbbb</code> |');
  expect(page).toContain('Moved 1.5 kB, saved 3.0 GB.');
});

test('a page never exceeds what GitHub takes, and says what is left out', () => {
  const layers = Array.from({ length: 4000 }, (_, index) =>
    layer({
      name: `layer-${index}`,
      action: 'build',
      reasons: Array.from({ length: 20 }, () => ({ kind: 'file-changed' as const, path: 'x'.repeat(200) })),
      reasonCount: 20,
    }),
  );
  const page = planSummary(plan(layers));
  expect(Buffer.byteLength(page)).toBeLessThanOrEqual(largestSummary);
  expect(page).toContain('4000 of 4000 layers to build');
  expect(page).toContain('too large for this page');
});

test('sections that fit are joined without a note', () => {
  expect(sections(['a', '', 'b'])).toBe('a\n\nb\n');
});

test('a table of anything', () => {
  expect(tableSummary('Pushed', ['Image', 'Tag'], [{ cells: ['svc', '1.0.0'] }])).toBe(
    '### Pushed\n\n| Image | Tag |\n| --- | --- |\n| svc | 1.0.0 |\n',
  );
});

test('packages of a delta are shown by how they are sent, and what has made them before', () => {
  const delta: SummarizedDelta = {
    path: '/out.ota.tar',
    bytes: 4000,
    digest: `sha256:${'a'.repeat(64)}`,
    pullBytes: 1_050_000,
    from: '1.0.0',
    to: '2.0.0',
    packages: [
      { name: 'app', version: '2', architecture: 'all', kind: 'delta', from: '1', bytes: 1000, pullBytes: 1_000_000 },
      { name: 'conf', version: '2', architecture: 'all', kind: 'whole', bytes: 50_000, pullBytes: 50_000 },
      { name: 'same', version: '1', architecture: 'all', kind: 'reused', bytes: 0, pullBytes: 0 },
    ],
    signedBy: undefined,
    provenBy: { name: 'imgbuild-ota', version: '1.2.3', sha256: 'f'.repeat(64) },
    images: [],
    needs: 5,
    platform: 'linux/amd64',
    page: 'out.html',
    advice: [],
    published: [],
  };
  const page = deltaSummary([delta]);
  expect(page).toContain('| <code>app</code> | 2 | as a delta | 1.0 kB | 1.0 MB |');
  expect(page).toContain('| <code>conf</code> | 2 | whole | 50.0 kB | 50.0 kB |');
  expect(page).toContain('| <code>same</code> | 1 | on the device already |  |  |');
  expect(page).toMatch(
    /Applied by the device program of imgbuild 1\.2\.3 .*every package that goes as a delta, was made/,
  );
});
