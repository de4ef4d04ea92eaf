import { fingerprintOf } from '../../src/plan/fingerprint.ts';
import type { Input } from '../../src/plan/input.ts';
import type { Observation } from './observe.ts';

/** The same fingerprint, and yet BuildKit ran a step anew or made another image. */
export interface Disagreement {
  observation: Observation;
  because: string;
}

export interface Verdict {
  disagreements: Disagreement[];
  /** Layers that both found again. */
  reused: number;
  /** Layers that both built. */
  built: number;
  /** By kind of edit: another fingerprint, and BuildKit had every step in its cache. */
  overbuilt: Record<string, Overbuilt>;
}

export interface Overbuilt {
  /** The image came out another all the same: its config differs. */
  otherImage: number;
  sameImage: number;
}

/** Of the image, what a build decides; times and the engine's own marks are left out. */
function imageText(observation: Observation): string {
  const { config, rootfs, platform } = observation.image;
  const { Image: _id, Hostname: _host, Domainname: _domain, OnBuild, ...rest } = config;
  const triggers = ((OnBuild as string[] | null) ?? []).map((text) => text.split(/\s+/).join(' '));
  return JSON.stringify([Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)), triggers, rootfs, platform]);
}

/**
 * Goes through the observations in order, as a store would that keeps every layer. `without` leaves kinds of input
 * out of all fingerprints: only to show that the others do not make up for them.
 */
export function judge(observations: readonly Observation[], without: readonly Input['kind'][] = []): Verdict {
  const verdict: Verdict = { disagreements: [], reused: 0, built: 0, overbuilt: {} };
  /** By world and layer: fingerprint → the image that it stood for. */
  const saved = new Map<string, string>();
  /** By world and layer: the last fingerprint. A layer that did not change is not observed again. */
  const parents = new Map<string, string>();
  for (const observation of observations) {
    const { world, step, layer } = observation;
    const inputs = observation.inputs
      .filter(({ kind }) => !without.includes(kind))
      .map((input) =>
        input.kind === 'parent' ? { ...input, fingerprint: parents.get(`${world} ${input.layer}`)! } : input,
      );
    const fingerprint = fingerprintOf(
      inputs.filter((input) => input.kind !== 'file'),
      inputs.filter((input) => input.kind === 'file'),
    );
    parents.set(`${world} ${layer}`, fingerprint);
    const key = `${world} ${layer} ${fingerprint}`;
    const image = imageText(observation);
    const before = saved.get(key);
    if (before === undefined) {
      saved.set(key, image);
      if (observation.ran.length > 0 || step === 0) verdict.built++;
      else
        count(
          verdict,
          observation,
          [...saved].some(([other, text]) => other !== key && other.startsWith(`${world} ${layer} `) && text === image),
        );
    } else if (observation.ran.length > 0) {
      verdict.disagreements.push({ observation, because: `BuildKit ran ${observation.ran.join('; ')}` });
      saved.set(key, image);
    } else if (before !== image) {
      verdict.disagreements.push({ observation, because: `the image differs:\n${before}\n${image}` });
      saved.set(key, image);
    } else verdict.reused++;
  }
  return verdict;
}

function count(verdict: Verdict, { edit }: Observation, sameImage: boolean): void {
  const counted = (verdict.overbuilt[edit] ??= { otherImage: 0, sameImage: 0 });
  counted[sameImage ? 'sameImage' : 'otherImage']++;
}
