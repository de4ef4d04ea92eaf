import type { Digest } from '../oci/digest.ts';
import type { Reason } from './plan.ts';

/** What the store holds under a layer's fingerprint. */
export type SavedState =
  | { kind: 'missing' }
  | { kind: 'broken'; why: string }
  /** `parents`: the digests of the parents' images that this one was built on, by layer name. */
  | { kind: 'saved'; digest: Digest; parents: Record<string, Digest> };

/** What was decided for a parent. */
export interface ParentDecision {
  name: string;
  action: 'reuse' | 'build';
  digest: Digest | null;
}

export type Decision = { action: 'reuse'; digest: Digest } | { action: 'build'; reasons: Reason[] };

export interface DecisionInputs {
  saved: SavedState;
  parents: readonly ParentDecision[];
  forced: boolean;
  unpinned: readonly string[];
}

/**
 * Reuse only what is whole, pinned, wanted, and stands on the very images that its parents are today. The reasons
 * given here are those that inputs alone can't tell; `never-built` stands for "nothing saved under this
 * fingerprint" and is replaced by what changed where a former one is known.
 */
export function decide({ saved, parents, forced, unpinned }: DecisionInputs): Decision {
  const reasons: Reason[] = [];
  if (forced) reasons.push({ kind: 'forced' });
  for (const url of unpinned) reasons.push({ kind: 'unpinned-source', name: url });
  if (saved.kind === 'broken') reasons.push({ kind: 'saved-broken', detail: saved.why });
  for (const parent of parents) {
    if (parent.action === 'build') {
      reasons.push({ kind: 'parent-changed', name: parent.name });
    } else if (saved.kind === 'saved' && saved.parents[parent.name] !== parent.digest) {
      reasons.push({
        kind: 'parent-changed',
        name: parent.name,
        from: saved.parents[parent.name] ?? null,
        to: parent.digest,
        detail: 'another image stands under its fingerprint now',
      });
    }
  }
  if (saved.kind === 'missing') reasons.push({ kind: 'never-built' });
  if (reasons.length === 0 && saved.kind === 'saved') return { action: 'reuse', digest: saved.digest };
  return { action: 'build', reasons };
}

/**
 * The reasons to show: what changed since the last saved image in place of a bare `never-built`, each reason once.
 * `changed` is undefined where no former image is known.
 */
export function explainedReasons(decided: readonly Reason[], changed: readonly Reason[] | undefined): Reason[] {
  if (changed === undefined) {
    // A layer that was never built has no use for the news that its parent is built too.
    const never = decided.some((reason) => reason.kind === 'never-built');
    return decided.filter((reason) => !never || reason.kind !== 'parent-changed');
  }
  const named = new Set(changed.filter((reason) => reason.kind === 'parent-changed').map((reason) => reason.name));
  const others = decided.filter((reason) => {
    return reason.kind !== 'never-built' && !(reason.kind === 'parent-changed' && named.has(reason.name));
  });
  if (changed.length + others.length > 0) return [...changed, ...others];
  return [{ kind: 'never-built', detail: 'the image that was saved for these inputs is gone' }];
}
