export interface Soak {
  /** How many cases in all. */
  total: number;
  /** How many at a time: one part takes well under a minute. */
  part: number;
  run(part: { seed: number; count: number }): Promise<{ failures: string[]; counts: Record<string, number> }>;
  /** Stops what the parts share. */
  stop?(): Promise<void>;
}

export const soaks: Record<string, Soak> = {};
