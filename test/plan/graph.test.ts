import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { chainOrder, withAncestors } from '../../src/plan/graph.ts';
import { wavesOf } from '../../src/plan/waves.ts';

describe('chainOrder', () => {
  test('puts parents first and keeps the order of the file otherwise', () => {
    const parents = new Map([
      ['service', ['engine']],
      ['engine', ['base']],
      ['tools', []],
    ]);
    expect(chainOrder(['service', 'tools', 'engine', 'base'], parents)).toEqual(['base', 'engine', 'service', 'tools']);
  });
  test('shows the circle', () => {
    const parents = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['a']],
    ]);
    expect(() => chainOrder(['a', 'b', 'c'], parents)).toThrow('a → b → c → a');
  });
  test('a layer that needs itself is a circle', () => {
    expect(() => chainOrder(['a'], new Map([['a', ['a']]]))).toThrow('a → a');
  });
  test('every parent stands before its child, in any graph without circles', () => {
    const graphs = fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { minLength: 1, maxLength: 21 });
    fc.assert(
      fc.property(graphs, (edges) => {
        const parents = new Map(
          edges.map((of, index) => [`${index}`, of.filter((parent) => parent < index).map(String)]),
        );
        const order = chainOrder([...parents.keys()].toReversed(), parents);
        for (const [name, of] of parents)
          for (const parent of of) expect(order.indexOf(parent)).toBeLessThan(order.indexOf(name));
        expect(order.toSorted()).toEqual([...parents.keys()].toSorted());
      }),
    );
  });
});

test('withAncestors takes what is needed and nothing else', () => {
  const parents = new Map([
    ['service', ['engine']],
    ['engine', ['base']],
    ['tools', ['base']],
  ]);
  expect([...withAncestors(['service'], parents)].toSorted()).toEqual(['base', 'engine', 'service']);
});

describe('waves', () => {
  const layer = (name: string, parents: string[], action: 'build' | 'reuse' = 'build') => ({
    name,
    platform: 'linux/amd64',
    parents,
    action,
  });
  const names = (layers: ReturnType<typeof layer>[]) => wavesOf(layers).map((wave) => wave.map(({ name }) => name));
  test('chains in order, independent layers side by side', () => {
    expect(
      names([layer('base', []), layer('engine', ['base']), layer('tools', ['base']), layer('service', ['engine'])]),
    ).toEqual([['base'], ['engine', 'tools'], ['service']]);
  });
  test('what is reused takes no wave', () => {
    expect(names([layer('base', [], 'reuse'), layer('engine', ['base'])])).toEqual([['engine']]);
  });
});
