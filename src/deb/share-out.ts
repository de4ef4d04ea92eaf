/** One job of a matrix: packages that are packed on one runner. */
export interface PackLeg {
  /** Names the leg among all of them, by its largest package; it can be part of a file name. */
  leg: string;
  /** Names of the packages with a space between them: as build-debs' input `packages` takes them. */
  packages: string;
  /** Of all their files, in bytes. */
  bytes: number;
}

/**
 * How packages are shared out among runners: `auto` where several come to a gigabyte or more, `each` a runner for every one,
 * `together` none.
 */
export const sharings = ['auto', 'each', 'together'] as const;
export type Sharing = (typeof sharings)[number];

/** Bytes of files that are worth a runner: less is packed before one has begun, checked out and sent the result. */
const worthARunner = 1_000_000_000;

/** GitHub refuses a matrix with more. */
const mostLegs = 256;

/**
 * Legs of about equal bytes, the largest first; none where packing is not to be shared out. `packages`: each name once, with
 * the bytes of its files for all architectures and parts.
 */
export function shareOut(packages: readonly { name: string; bytes: number }[], sharing: Sharing): PackLeg[] {
  const total = packages.reduce((sum, { bytes }) => sum + bytes, 0);
  const wanted = { auto: Math.round(total / worthARunner), each: packages.length, together: 0 }[sharing];
  const count = Math.min(wanted, packages.length, mostLegs);
  if (count === 0 || (sharing === 'auto' && count < 2)) return [];
  const shares = Array.from({ length: count }, () => ({ names: [] as string[], bytes: 0 }));
  const largestFirst = packages.toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
  for (const { name, bytes } of largestFirst) {
    // Of those with the fewest bytes the one with the fewest packages: empty ones are to have some, too.
    const share = shares.reduce((least, each) => (compare(each, least) < 0 ? each : least));
    share.names.push(name);
    share.bytes += bytes;
  }
  return shares.map(({ names, bytes }) => {
    const leg = names.length === 1 ? names[0]! : `${names[0]}+${names.length - 1}`;
    return { leg, packages: names.join(' '), bytes };
  });
}

function compare(a: { names: string[]; bytes: number }, b: { names: string[]; bytes: number }): number {
  return a.bytes - b.bytes || a.names.length - b.names.length;
}
