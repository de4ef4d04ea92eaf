/** Numbers that follow from a seed (mulberry32), so that a case can be run again. */
export interface Random {
  /** 0 to below `count`. */
  below(count: number): number;
  pick<T>(from: readonly T[]): T;
  chance(part: number): boolean;
  word(): string;
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number) => Math.floor(next() * count);
  return {
    below,
    pick: (from) => from[below(from.length)]!,
    chance: (part) => next() < part,
    word: () =>
      below(36 ** 6)
        .toString(36)
        .padStart(6, '0'),
  };
}
