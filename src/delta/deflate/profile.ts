/** Whose deflate made a stream; both follow one design, and differ in where blocks end and what the end of a file may match. */
export type DeflateWriter = 'zlib' | 'gzip';

/** How a deflate stream was made (docs/deflate-profiles.md). */
export interface DeflateProfile {
  /** In a list of members: which one it is. */
  number: number;
  writer: DeflateWriter;
  level: number;
  /** Of the table that finds old strings: log2 of its size. */
  hashBits: number;
  /** Literals and matches of a block, at most. */
  symbols: number;
}

const profiles = new Map<number, DeflateProfile>();
for (let level = 1; level <= 9; level++) {
  for (const profile of [
    { number: level, writer: 'zlib', level, hashBits: 15, symbols: 2 ** 14 - 1 },
    { number: 16 + level, writer: 'zlib', level, hashBits: 16, symbols: 2 ** 15 - 1 },
    { number: 32 + level, writer: 'gzip', level, hashBits: 15, symbols: 2 ** 15 - 1 },
  ] as const) {
    profiles.set(profile.number, profile);
  }
}

export const deflateProfiles: readonly DeflateProfile[] = [...profiles.values()];

export function deflateProfile(number: number): DeflateProfile | undefined {
  return profiles.get(number);
}

/** How hard a level searches. */
export interface Effort {
  /** A match of this length or more is improved with a quarter of the effort. */
  good: number;
  /** Lazy: a match of this length or more is taken at once. Greedy: strings within longer ones are not remembered. */
  lazy: number;
  /** The search ends with a match of this length. */
  nice: number;
  /** Old strings that are looked at, at most. */
  chain: number;
}

const efforts: readonly Effort[] = [
  { good: 4, lazy: 4, nice: 8, chain: 4 },
  { good: 4, lazy: 5, nice: 16, chain: 8 },
  { good: 4, lazy: 6, nice: 32, chain: 32 },
  { good: 4, lazy: 4, nice: 16, chain: 16 },
  { good: 8, lazy: 16, nice: 32, chain: 32 },
  { good: 8, lazy: 16, nice: 128, chain: 128 },
  { good: 8, lazy: 32, nice: 128, chain: 256 },
  { good: 32, lazy: 128, nice: 258, chain: 1024 },
  { good: 32, lazy: 258, nice: 258, chain: 4096 },
];

export function effortOf({ level }: DeflateProfile): Effort {
  return efforts[level - 1]!;
}

/** Levels up to this one take every match that they find. */
export const greedyLevel = 3;
