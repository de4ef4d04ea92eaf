import { describe, expect, test } from 'vitest';
import { decide, explainedReasons } from '../../src/plan/decide.ts';
import { digestOf } from '../../src/oci/digest.ts';

const image = digestOf('image');
const parent = digestOf('parent');
const saved = { kind: 'saved', digest: image, parents: { base: parent } } as const;
const reused = { name: 'base', action: 'reuse', digest: parent } as const;
const nothing = { forced: false, unpinned: [] };

describe('decide', () => {
  test('reuses what is saved on the parents of today', () => {
    expect(decide({ saved, parents: [reused], ...nothing })).toEqual({ action: 'reuse', digest: image });
  });

  test.each([
    ['nothing is saved', { saved: { kind: 'missing' } as const, parents: [reused], ...nothing }, ['never-built']],
    [
      'the saved image is broken',
      { saved: { kind: 'broken', why: 'no inputs' } as const, parents: [reused], ...nothing },
      ['saved-broken'],
    ],
    [
      'a parent is built',
      { saved, parents: [{ name: 'base', action: 'build', digest: null } as const], ...nothing },
      ['parent-changed'],
    ],
    [
      'another image stands under the fingerprint of a parent',
      { saved, parents: [{ ...reused, digest: digestOf('another') }], ...nothing },
      ['parent-changed'],
    ],
    ['it is forced', { saved, parents: [reused], forced: true, unpinned: [] }, ['forced']],
    [
      'a source has no checksum',
      { saved, parents: [reused], forced: false, unpinned: ['https://x'] },
      ['unpinned-source'],
    ],
  ])('builds when %s', (_case, inputs, kinds) => {
    const decision = decide(inputs);
    expect(decision.action === 'build' && decision.reasons.map((reason) => reason.kind)).toEqual(kinds);
  });

  test('a saved image that records no digest of a parent is not trusted', () => {
    expect(decide({ saved: { ...saved, parents: {} }, parents: [reused], ...nothing }).action).toBe('build');
  });
});

describe('explainedReasons', () => {
  const never = { kind: 'never-built' } as const;
  const parentBuilt = { kind: 'parent-changed', name: 'base' } as const;
  const file = { kind: 'file-changed', path: 'app.py' } as const;

  test('a layer that was never built says so alone', () => {
    expect(explainedReasons([parentBuilt, never], undefined)).toEqual([never]);
  });
  test('what changed stands in place of never-built, the parent once', () => {
    expect(explainedReasons([parentBuilt, never], [file, { ...parentBuilt, from: 'a', to: 'b' }])).toEqual([
      file,
      { ...parentBuilt, from: 'a', to: 'b' },
    ]);
  });
  test('equal inputs whose image is gone say that', () => {
    expect(explainedReasons([never], [])[0]).toMatchObject({
      kind: 'never-built',
      detail: expect.stringContaining('gone'),
    });
  });
  test('force is told beside what changed', () => {
    expect(explainedReasons([{ kind: 'forced' }], [file])).toEqual([file, { kind: 'forced' }]);
  });
});
