import { posix } from 'node:path';
import type { Layer } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Input } from './input.ts';
import type { LayerInputs } from './layer-inputs.ts';
import type { Reason } from './plan.ts';
import { instructionText, reasonsBetween } from './reasons.ts';

/** A saved image of the same layer that reasons compare with: the last of the branch, or a release's. */
export interface FormerImage {
  digest: Digest;
  fingerprint: string;
  inputs: Input[];
}

/** A path in the context as people know it: below the context's folder, or what a copy entry brought there. */
export function originOf(layer: Layer, path: string): string {
  // Of copies in one another the inner one, of two in one place the later: it is on top.
  const copies = layer.copy.toReversed().toSorted((a, b) => b.dst.length - a.dst.length);
  for (const { src, dst } of copies) {
    if (path === dst) return src;
    if (path.startsWith(`${dst}/`)) return `${src}/${path.slice(dst.length + 1)}`;
  }
  return layer.context === '.' ? path : `${layer.context}/${path}`;
}

/** What the users of a description call the instruction: `build.envd:14 install.python_packages`. */
function originOfChange({ link, inputs }: LayerInputs, { to }: Reason): string | undefined {
  const { generated } = link.layer;
  if (!generated || to == null) return undefined;
  const changed = inputs.find((input) => input.kind === 'instruction' && instructionText(input) === to);
  const origin = changed?.kind === 'instruction' ? generated.origins[changed.seq] : undefined;
  return origin && `${origin.at.file}:${origin.at.line} ${origin.name}`;
}

function withDetail(reason: Reason, detail: string | undefined): Reason {
  return detail === undefined ? reason : { ...reason, detail };
}

/** Takes a stage that `skip:` leaves out of former inputs; the stages behind it move up. Undefined where it is not there. */
function withoutStage(inputs: readonly Input[], name: string): { inputs: Input[]; from: string } | undefined {
  const ending = ` AS ${name.toLowerCase()}`;
  const head = inputs.find(
    (input) =>
      input.kind === 'instruction' && input.seq === 0 && input.text.startsWith('FROM ') && input.text.endsWith(ending),
  );
  if (head?.kind !== 'instruction') return undefined;
  const left = inputs.flatMap((input): Input[] => {
    if ((input.kind !== 'instruction' && input.kind !== 'arg') || input.stage === 'global') return [input];
    if (input.stage === head.stage) return [];
    return [input.stage > head.stage ? { ...input, stage: input.stage - 1 } : input];
  });
  return { inputs: left, from: head.text };
}

export function compareWithFormer(former: FormerImage, now: LayerInputs): Reason[] {
  const { layer, options } = now.link;
  const skipped: Reason[] = [];
  let before = former.inputs;
  for (const name of layer.skip) {
    const without = withoutStage(before, name);
    if (without === undefined) continue;
    before = without.inputs;
    skipped.push({ kind: 'instruction-changed', name: 'skip', from: without.from, to: null });
  }
  const reasons = reasonsBetween(
    before,
    now.inputs,
    (path) => originOf(layer, path),
    (path) => posix.join(layer.packages ?? '', path),
  );
  const told = reasons.map((reason) => {
    const origin = reason.kind === 'instruction-changed' ? originOfChange(now, reason) : undefined;
    if (origin !== undefined) return { ...reason, detail: origin };
    if (reason.kind === 'target-changed') return withDetail(reason, layer.origins?.get('target'));
    if (reason.kind !== 'arg-changed') return reason;
    const option = options.get(reason.name!);
    const given = layer.origins?.get(`args.${reason.name}`);
    return withDetail(reason, given ?? (option === undefined ? undefined : `option ${option}`));
  });
  return [...skipped, ...told];
}
