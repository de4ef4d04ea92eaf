/** Numbers of RFC 1951, 3.2.5 to 3.2.7. */

export const endOfBlock = 256;
export const lengthBase = 257;
export const literalCodes = 286;
export const distanceCodes = 30;
export const lengthCodes = 19;
export const shortestMatch = 3;
export const longestMatch = 258;

/** Extra bits, by code. */
export const lengthExtra = Uint8Array.from({ length: 29 }, (_, code) =>
  code < 8 || code === 28 ? 0 : (code >>> 2) - 1,
);
export const distanceExtra = Uint8Array.from({ length: 30 }, (_, code) => (code < 4 ? 0 : (code >>> 1) - 1));
/** Extra bits of the codes that say lengths of codes. */
export const repeatExtra = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7]);
export const lengthOrder = Uint8Array.from([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/** By length − 3: its code, from 0 on. */
export const lengthCode = new Uint8Array(256);
/** By code: the first length − 3. */
export const lengthStart = new Uint8Array(29);
for (let code = 0, at = 0; code < 28; code++) {
  lengthStart[code] = at;
  for (let left = 1 << lengthExtra[code]!; left > 0; left--) lengthCode[at++] = code;
}
// 258 has a code of its own.
lengthCode[255] = 28;
lengthStart[28] = 255;

/** By distance − 1 below 256, and by (distance − 1) / 128 from 256 on. */
const nearCode = new Uint8Array(256);
const farCode = new Uint8Array(256);
/** By code: the first distance − 1. */
export const distanceStart = new Uint16Array(distanceCodes);
for (let code = 0, at = 0; code < distanceCodes; code++) {
  distanceStart[code] = at;
  const end = at + (1 << distanceExtra[code]!);
  for (; at < Math.min(end, 256); at++) nearCode[at] = code;
  for (; at < end; at += 128) farCode[at >>> 7] = code;
}

/** `distance`: minus 1. */
export function distanceCode(distance: number): number {
  return distance < 256 ? nearCode[distance]! : farCode[distance >>> 7]!;
}

export const fixedLiteralLengths = new Uint8Array(288).fill(8);
fixedLiteralLengths.fill(9, 144, 256).fill(7, 256, 280);
export const fixedDistanceLengths = new Uint8Array(distanceCodes).fill(5);
