import { brokenFiles, disagreements } from './compare.ts';

/** Programs against Python, and as many broken build files. */
export const envdSoak = {
  total: 20_000,
  part: 1000,
  async run({ seed, count }: { seed: number; count: number }) {
    const judged = disagreements(seed, count);
    const broken = brokenFiles(seed, count);
    const counts: Record<string, number> = {
      'programs that mean the same in Python': judged.compared - judged.failures.length,
      'programs that both refuse': count - judged.compared,
      'broken build files, refused at a place in them': broken.refused,
      'broken build files that can be read': count - broken.refused,
    };
    return { failures: [...judged.failures, ...broken.failures], counts };
  },
};
