import { noise, sampleTar, type SampleEntry } from '../sample-image.ts';
import { block, general, headerRun, layerDelta, type Head } from './container.ts';

/** Vectors of headers that a decoder completes, against an old file that none of them reads. */
export function handHeaders(
  hand: (name: string, delta: Buffer, text: Uint8Array | string) => void,
  head: Head & { ranges: number },
): void {
  /** Each entry with its contents, and what a delta may leave out of its header: time and checksum, or that alone. */
  const listedEntries: SampleEntry[] = [
    { name: 'srv/', folder: true },
    { name: 'srv/large', bytes: noise(1_100, 3) },
    { name: 'srv/link', link: 'srv/large' },
    { name: 'srv/older', bytes: 'older', mtime: 1_600_000_000 },
    { name: 'srv/as-it-is', bytes: '' },
  ];
  const listedTar = sampleTar(listedEntries, 1_710_000_000);
  const bare = Buffer.from(listedTar);
  for (const [header, mode] of [
    [0, 2],
    [512, 2],
    [2_560, 2],
    [3_072, 1],
  ] as const) {
    if (mode === 2) bare.fill(7, header + 136, header + 147);
    bare.fill(9, header + 148, header + 156);
  }
  const runs = [...headerRun(3, 2, 1_710_000_000), ...headerRun(1, 1), ...headerRun(1, 0)];
  const withHeaders = (headers: number[], text: Buffer = bare) => {
    const insert = general(text.length, block({ insert: text }));
    return layerDelta({ ...head, new: text.length, blockSize: 8_192, headers }, insert);
  };
  hand('hand-headers', withHeaders(runs), listedTar);
  const partly = Buffer.from(listedTar);
  partly.fill(0, 136, 156);
  partly[147] = 0;
  hand('hand-headers-some', withHeaders(headerRun(1, 2, 1_710_000_000), partly), listedTar);
  hand('hand-headers-none', withHeaders([], listedTar), listedTar);
  hand('hand-headers-times', withHeaders([...headerRun(1, 2, 5), ...headerRun(1, 2, -5)], timed(5, 0)), timed(5, 0));
  /** Followed to the end of its contents by their size in base 256. */
  const binary = Buffer.from(listedTar);
  binary.fill(0, 512 + 124, 512 + 136);
  binary[512 + 124] = 0x80;
  binary.writeUInt16BE(1_100, 512 + 134);
  restoreSum(binary, 512);
  hand(
    'hand-headers-binary',
    withHeaders(runs, Buffer.concat([binary.subarray(0, 2_560), bare.subarray(2_560)])),
    binary,
  );
  hand('hand-headers-too-many', withHeaders([...runs, ...headerRun(1, 0)]), 'more headers than the tar has');
  hand('hand-headers-mode', withHeaders([...runs.slice(0, -2), 1, 3]), 'a mode that there is not');
  hand('hand-headers-empty-run', withHeaders([0, 0, ...runs]), 'a run of no headers');
  hand('hand-headers-late', withHeaders(headerRun(1, 2, 2 ** 33)), 'a time beyond its digits');
  hand('hand-headers-early', withHeaders(headerRun(1, 2, -1)), 'a time before 1970');
  hand('hand-headers-cut', withHeaders([1]), 'a run that is cut');
  hand(
    'hand-headers-little-memory',
    layerDelta(
      { ...head, new: 8, headers: headerRun(1, 0), memory: 2 * 4096 + 2 ** 23 + 2 ** 22 + 16 * head.ranges + 1 },
      general(8, block({ insert: 'in front' })),
    ),
    'less memory than its list needs',
  );
}

function timed(...times: number[]): Buffer {
  return sampleTar(times.map((mtime, number) => ({ name: `file-${number}`, bytes: 'contents', mtime })));
}

/** By hand: six octal digits, NUL, space. */
function restoreSum(tar: Buffer, header: number): void {
  tar.fill(' ', header + 148, header + 156);
  const sum = tar.subarray(header, header + 512).reduce((all, byte) => all + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, header + 148, 'latin1');
}
