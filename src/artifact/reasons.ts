import type { Reason } from '../plan/plan.ts';
import { inputLine, type ArtifactInput } from './input.ts';

type InputOf<K extends ArtifactInput['kind']> = Extract<ArtifactInput, { kind: K }>;

/** What stands under one key before and after, where that differs. */
function* changes<K extends ArtifactInput['kind']>(
  before: readonly ArtifactInput[],
  after: readonly ArtifactInput[],
  kind: K,
  keyOf: (input: InputOf<K>) => string,
): Generator<{ key: string; from: InputOf<K> | undefined; to: InputOf<K> | undefined }> {
  const ofKind = (input: ArtifactInput): input is InputOf<K> => input.kind === kind;
  const old = new Map(before.filter(ofKind).map((input) => [keyOf(input), input]));
  for (const to of after.filter(ofKind)) {
    const key = keyOf(to);
    const from = old.get(key);
    old.delete(key);
    if (from === undefined || inputLine(from) !== inputLine(to)) yield { key, from, to };
  }
  for (const [key, from] of old) yield { key, from, to: undefined };
}

/** What differs between two input lists of an artifact, in the words of a plan: its own files first. */
export function artifactReasons(before: readonly ArtifactInput[], after: readonly ArtifactInput[]): Reason[] {
  const reasons: Reason[] = [];
  for (const { from, to } of changes(before, after, 'file', ({ path, to: place }) => `${path} ${place}`)) {
    const { path } = (to ?? from)!;
    if (from === undefined) reasons.push({ kind: 'file-added', path });
    else if (to === undefined) reasons.push({ kind: 'file-removed', path });
    else if (from.sha256 !== to.sha256) reasons.push({ kind: 'file-changed', path });
    else reasons.push({ kind: 'mode-changed', path, from: from.mode ?? null, to: to.mode ?? null });
  }
  for (const { key, from, to } of changes(before, after, 'source', ({ path }) => path)) {
    if (from === undefined) reasons.push({ kind: 'file-added', path: key });
    else if (to === undefined) reasons.push({ kind: 'file-removed', path: key });
    else if (from.sha256 !== to.sha256) reasons.push({ kind: 'file-changed', path: key });
    else reasons.push({ kind: 'instruction-changed', name: `source of ${key}`, from: from.from, to: to.from });
  }
  for (const { from, to } of changes(before, after, 'command', () => '')) {
    reasons.push({ kind: 'instruction-changed', from: from?.argv.join(' ') ?? null, to: to?.argv.join(' ') ?? null });
  }
  for (const { key, from, to } of changes(before, after, 'field', ({ name }) => name)) {
    reasons.push({ kind: 'instruction-changed', name: key, from: from?.value ?? null, to: to?.value ?? null });
  }
  for (const { from, to } of changes(before, after, 'artifact', () => '')) {
    reasons.push({ kind: 'target-changed', from: from?.type ?? null, to: to?.type ?? null });
  }
  for (const { key, from, to } of changes(before, after, 'parent', ({ name }) => name)) {
    reasons.push({ kind: 'parent-changed', name: key, from: from?.digest ?? null, to: to?.digest ?? null });
  }
  for (const { key, from, to } of changes(before, after, 'tool', ({ name }) => name)) {
    reasons.push({ kind: 'tool-changed', name: key, from: from?.version ?? null, to: to?.version ?? null });
  }
  return reasons;
}
