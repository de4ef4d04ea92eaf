import type { PlatformName } from '../oci/platform.ts';
import type { Plan, PlannedLayer } from './plan.ts';

/** One job of a matrix: layers that are built in order on one runner, so that nothing large moves between jobs. */
export interface Leg {
  /** Names the leg among all of them; letters, digits, '.', '_', '-' and '+', so that it can be part of a file name. */
  chain: string;
  /** Names of the layers, parents first, with a space between them: as build-layer's input `layers` takes them. */
  layers: string;
  platform: PlatformName;
  /** A label, or several that the runner must all have. */
  runner: string | string[];
}

/** What `strategy.matrix` takes. An empty `include` is refused by GitHub: guard the job by has-work. */
export interface Matrix {
  include: Leg[];
}

/** Which runner builds for a platform. */
export type RunnerOf = (platform: PlatformName) => string | string[];

/** GitHub refuses a matrix with more. */
const mostLegs = 256;

/** How many jobs the templates have for `parallel: waves`; the last takes all further waves. */
export const waveJobs = 4;

const hosted: Record<PlatformName, string> = {
  'linux/amd64': 'ubuntu-latest',
  'linux/arm64': 'ubuntu-24.04-arm',
};

/**
 * `chosen`: labels by platform. What is not in it is built on GitHub's own runners, and for processors that GitHub has
 * no runner for on the default one, where emulation must be set up.
 */
export function runnersFrom(chosen: ReadonlyMap<PlatformName, string | string[]>): RunnerOf {
  return (platform) => chosen.get(platform) ?? hosted[platform] ?? 'ubuntu-latest';
}

/**
 * One leg for each connected chain that has work, per platform. Layers that are taken from the store connect nothing:
 * two services on one saved base are two chains.
 */
export function chainMatrix(plan: Plan, runnerOf: RunnerOf): Matrix {
  const building = plan.layers.filter((layer) => layer.action === 'build');
  return { include: limited(legsOf(connected(building), plan, runnerOf)) };
}

/**
 * One matrix for each of the fixed jobs: the layers of a wave side by side, a leg each; in the last one the chains of
 * all further waves. Always `waveJobs` of them, the later ones empty where there are fewer waves.
 */
export function waveMatrices(plan: Plan, runnerOf: RunnerOf): Matrix[] {
  return Array.from({ length: waveJobs }, (_, job) => {
    const last = job === waveJobs - 1;
    const members = plan.layers.filter(({ wave }) => wave !== null && (last ? wave >= job : wave === job));
    const groups = last ? connected(members) : members.map((layer) => [layer]);
    return { include: limited(legsOf(groups, plan, runnerOf)) };
  });
}

/** Groups layers that need one another, in the order of their first members; parents stay before children. */
function connected(layers: readonly PlannedLayer[]): PlannedLayer[][] {
  const groupOf = new Map<string, PlannedLayer[]>();
  for (const layer of layers) {
    const key = (name: string) => `${name} ${layer.platform}`;
    const joined = new Set<PlannedLayer[]>();
    for (const parent of layer.parents) {
      const group = groupOf.get(key(parent));
      if (group) joined.add(group);
    }
    const group = [...joined].flat();
    group.push(layer);
    for (const member of group) groupOf.set(key(member.name), group);
  }
  const order = new Map(layers.map((layer, index) => [layer, index]));
  return [...new Set(groupOf.values())]
    .map((group) => group.toSorted((a, b) => order.get(a)! - order.get(b)!))
    .toSorted((a, b) => order.get(a[0]!)! - order.get(b[0]!)!);
}

function legsOf(groups: readonly (readonly PlannedLayer[])[], plan: Plan, runnerOf: RunnerOf): Leg[] {
  const severalPlatforms = new Set(plan.layers.map((layer) => layer.platform)).size > 1;
  return groups.map((group) => {
    const { name, platform } = group[0]!;
    return {
      chain: severalPlatforms ? `${name}-${platform.replaceAll('/', '-')}` : name,
      layers: group.map((layer) => layer.name).join(' '),
      platform,
      runner: runnerOf(platform),
    };
  });
}

/** Puts several chains of one platform into a leg where there would be too many legs; none is left out. */
function limited(legs: readonly Leg[]): Leg[] {
  if (legs.length <= mostLegs) return [...legs];
  const platforms = [...new Set(legs.map((leg) => leg.platform))];
  const each = Math.floor(mostLegs / platforms.length);
  return platforms.flatMap((platform) => {
    const own = legs.filter((leg) => leg.platform === platform);
    const shares = Array.from({ length: Math.min(each, own.length) }, (_, share) =>
      own.filter((_leg, index) => index % each === share),
    );
    return shares.map((share) => ({
      ...share[0]!,
      chain: share.length === 1 ? share[0]!.chain : `${share[0]!.chain}+${share.length - 1}`,
      layers: share.map((leg) => leg.layers).join(' '),
    }));
  });
}
