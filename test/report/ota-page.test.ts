import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { adviceOn } from '../../src/delta/advice.ts';
import type { InspectedBundle, InspectedFile } from '../../src/delta/inspected.ts';
import { adviceText } from '../../src/report/advice.ts';
import { otaPage } from '../../src/report/ota-page.ts';
import { treemap, type TreemapNode } from '../../src/report/treemap.ts';

const file = (path: string, bytes: number, over: Partial<InspectedFile> = {}): InspectedFile => {
  const sent = { size: 2 * bytes, copied: 0, added: 0, differing: 0, literal: 2 * bytes, bytes };
  return { path, change: 'new', ...sent, ...over };
};
const bundleOf = (files: InspectedFile[], overhead = 100): InspectedBundle => {
  const bytes = files.reduce((sum, each) => sum + each.bytes, overhead);
  const layer = { diffId: `sha256:${'a'.repeat(64)}`, kind: 'delta' as const, bytes, overhead, files };
  const image = {
    reference: 'app:2',
    config: `sha256:${'b'.repeat(64)}`,
    source: null,
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [layer],
    packages: null,
  };
  const [from, to] = ['1.0.0', '1.1.0'];
  const documents = 5000;
  const images = [image, { ...image, reference: 'other:2' }];
  return {
    schema: 1,
    path: '/d.ota.tar',
    bytes: bytes + documents,
    documents,
    signed: true,
    name: 'app',
    from,
    to,
    images,
    hostPackages: [],
  };
};
const changed = { change: 'changed' as const, literal: 0, added: 4000 };

beforeAll(() => installPackages(['libxml2-utils'], () => {}), 120_000);

describe('the page of a delta', () => {
  test('shows every large file, with markup in names as text; an independent parser reads the picture', () => {
    const page = otaPage(
      bundleOf([
        file('opt/models/<b onmouseover="x">&.onnx', 900_000),
        file('usr/lib/libengine.so.2', 400_000, { ...changed, source: 'usr/lib/libengine.so.1' }),
        file(`usr/lib/${'\u0001'}odd`, 30_000),
        ...Array.from({ length: 300 }, (_, index) => file(`usr/share/many/file${index}`, 500)),
      ]),
    );
    const svg = /<svg[\s\S]*<\/svg>/.exec(page)![0];
    execFileSync('xmllint', ['--noout', '-'], { input: svg, stdio: ['pipe', 'ignore', 'pipe'] });
    expect(page).toContain('&lt;b onmouseover=&quot;x&quot;&gt;&amp;.onnx');
    expect(page).not.toContain('<b onmouseover');
    expect(page).not.toMatch(/<script|https?:\/\//);
    expect(page).toContain('changed, from /usr/lib/libengine.so.1');
    expect(page).toContain('240 more');
    expect(svg.match(/<title>filesystem layer/g)).toHaveLength(1);
  });

  test('says what would make the delta smaller, the most costly first', () => {
    const bundle = bundleOf([
      file('var/cache/apt/archives/a.deb', 30_000),
      file('var/cache/apt/pkgcache.bin', 10_000),
      file('home/me/.cache/pip/x', 20_000),
      file('usr/lib/python3/dist-packages/numpy/core/__pycache__/a.cpython-311.pyc', 900, { ...changed, differing: 4 }),
      file('usr/lib/python3/dist-packages/numpy/__pycache__/b.cpython-311.pyc', 900, { ...changed, differing: 6 }),
      file('usr/lib/python3/dist-packages/other/__pycache__/c.cpython-311.pyc', 9000, { ...changed, differing: 999 }),
      file('opt/data.zip', 50_000, changed),
      file('opt/new.zip', 50_000),
      file('var/log/dpkg.log', 10),
    ]);
    expect(adviceOn(bundle)).toMatchObject([
      { kind: 'compressed', path: 'opt/data.zip' },
      { kind: 'left-behind', folder: 'var/cache/apt', files: 2 },
      { kind: 'left-behind', folder: 'home/me/.cache', files: 1 },
      { kind: 'bytecode-times', folder: 'usr/lib/python3/dist-packages/numpy', files: 2 },
    ]);
    for (const advice of adviceOn(bundle)) expect(adviceText(advice)).toMatch(/^\/(opt|var|home|usr)\/.*; /);
    expect(otaPage(bundle)).toContain('What would make it smaller');
  });

  test('names a filesystem layer that was built again without a change', () => {
    const same = { change: 'unchanged' as const, literal: 0 };
    const [advice, ...others] = adviceOn(bundleOf([file('a', 0, same), file('b', 0, same)], 3000));
    expect(others).toEqual([]);
    expect(advice).toMatchObject({ kind: 'only-times', bytes: 3000 });
    expect(adviceText(advice!)).toContain('SOURCE_DATE_EPOCH');
    expect(adviceOn(bundleOf([file('a', 0, { ...same, change: 'moved' })], 3000))).toEqual([]);
  });
});

test('areas are in proportion to weights, inside their parents, and none overlap', () => {
  const leaf = (weight: number): TreemapNode => ({ name: 'n', weight, kind: 'new', note: '', parts: [] });
  const area = { x: 0, y: 0, width: 600, height: 400 };
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1_000_000 }), { maxLength: 40 }), (weights) => {
      const placed = treemap(weights.map(leaf), area);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      expect(placed).toHaveLength(weights.filter((weight) => weight > 0).length);
      for (const { node, x, y, width, height } of placed) {
        expect((width * height) / (area.width * area.height)).toBeCloseTo(node.weight / total, 6);
        expect(Math.min(x, y)).toBeGreaterThanOrEqual(-1e-6);
        expect(x + width).toBeLessThanOrEqual(area.width + 1e-6);
        expect(y + height).toBeLessThanOrEqual(area.height + 1e-6);
      }
      for (const [index, a] of placed.entries()) {
        for (const b of placed.slice(index + 1)) {
          const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
          const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
          expect(Math.min(across, down)).toBeLessThan(1e-6);
        }
      }
    }),
  );
});
