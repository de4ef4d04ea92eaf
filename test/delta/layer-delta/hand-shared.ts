import { block, general, layerDelta, sharedTable, sharing, uvarint, type Head } from './container.ts';

/** Vectors of streams that several blocks share. `joined`: the old file. */
export function handShared(
  hand: (name: string, delta: Buffer, text: Uint8Array | string) => void,
  head: Head & { ranges: number },
  joined: Buffer,
): void {
  /** Of blocks of 4096 bytes, and of a file with one copy. */
  const memory = 2 * 4096 + 2 ** 23 + 2 ** 22 + 2 ** 24 + 56 + 16 * head.ranges;
  /** Two general blocks and two copied files that share their streams. */
  const eight = { insert: [...uvarint(4), ...uvarint(6)], data: [...Buffer.from('four'), ...Buffer.from('and 6!')] };
  const [copyOf600, emptyBlock] = [uvarint(600), sharedTable(...Array.from({ length: 16 }, () => 0))];
  const sharedFile = (from: number): number[] => [
    1,
    ...uvarint(600),
    ...uvarint(from),
    ...uvarint(600),
    ...sharedTable(8, 1, 1, copyOf600.length),
    ...uvarint(600),
    ...emptyBlock,
  ];
  const inserted = (size: number): number[] => [...uvarint(size), ...sharedTable(1, 0, 0, 0, 0, 0, size)];
  const model = [1, 0, 0, 0, 0, 0, 0, 0];
  const contentsOfAll = {
    0: eight.insert,
    6: eight.data,
    7: [...model, ...model],
    8: [0, 0],
    9: [0, 0],
    10: [...copyOf600, ...copyOf600],
  };
  const sharedNumber = Object.values(contentsOfAll).flat().length;
  const sharedHead = { ...head, new: 1_210, headers: [], memory: memory + sharedNumber };
  const sharedParts = [general(4, inserted(4)), sharedFile(100), general(6, inserted(6)), sharedFile(1_000)];
  const sharedText = Buffer.concat([
    Buffer.from('four'),
    joined.subarray(100, 700),
    Buffer.from('and 6!'),
    joined.subarray(1_000, 1_600),
  ]);
  hand('hand-shared', layerDelta(sharedHead, general(0), sharing(contentsOfAll), ...sharedParts), sharedText);
  hand(
    'hand-shared-twice',
    layerDelta(
      { ...sharedHead, new: 10 },
      general(0),
      sharing({ 0: [4], 6: [...Buffer.from('four')] }),
      general(4, inserted(4)),
      sharing({ 0: [6], 6: [...Buffer.from('and 6!')] }),
      general(6, inserted(6)),
    ),
    Buffer.from('fourand 6!'),
  );
  hand(
    'hand-shared-some',
    layerDelta({ ...sharedHead, new: 20 }, general(0), sharing({ 0: [4], 6: [...Buffer.from('four')] }), [
      ...general(20, inserted(4), block({ copy: [900, 16] })),
    ]),
    Buffer.concat([Buffer.from('four'), joined.subarray(900, 916)]),
  );
  const more = { ...contentsOfAll, 26: [1] };
  hand(
    'hand-shared-left',
    layerDelta({ ...sharedHead, memory: memory + sharedNumber + 1 }, general(0), sharing(more), ...sharedParts),
    'shared bytes that no block takes',
  );
  hand(
    'hand-shared-left-before-others',
    layerDelta(
      { ...sharedHead, new: 4 },
      general(0),
      sharing({ 26: [1] }),
      general(0),
      sharing({ 0: [4], 6: [1, 2, 3, 4] }),
      [...general(4, inserted(4))],
    ),
    'shared bytes that no block takes, before others are shared',
  );
  hand(
    'hand-shared-short',
    layerDelta({ ...sharedHead, new: 4 }, general(0), sharing({ 0: [4], 6: [1, 2, 3] }), general(4, inserted(4))),
    'fewer shared bytes than a block takes',
  );
  hand(
    'hand-shared-little-memory',
    layerDelta(
      { ...sharedHead, memory: memory + sharedNumber - 1 },
      general(0),
      sharing(contentsOfAll),
      ...sharedParts,
    ),
    'less memory than a file and what is shared need',
  );
  hand('hand-shared-nothing', layerDelta({ ...sharedHead, new: 4 }, general(4, inserted(4))), 'nothing is shared');
  hand(
    'hand-shared-in-shared',
    layerDelta({ ...sharedHead, new: 4 }, general(0), [3, ...sharedTable(4), ...Array.from({ length: 26 }, () => 0)]),
    'shared streams that share',
  );
  hand(
    'hand-shared-before-its-version',
    layerDelta(
      { ...head, memory, new: 4 },
      general(0),
      sharing({ 0: [4], 6: [...Buffer.from('four')] }),
      general(4, inserted(4)),
    ),
    'shared streams in version 1',
  );
  hand(
    'hand-shared-at-the-end',
    layerDelta({ ...sharedHead, new: 4 }, general(4, block({ insert: 'four' })), sharing({})),
    'shared streams behind the end',
  );
}
