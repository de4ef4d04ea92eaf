import type { Input } from './input.ts';
import type { Reason, ReasonKind } from './plan.ts';

type InputOf<K extends Input['kind']> = Extract<Input, { kind: K }>;

function ofKind<K extends Input['kind']>(inputs: readonly Input[], kind: K): InputOf<K>[] {
  return inputs.filter((input): input is InputOf<K> => input.kind === kind);
}

/** Pairs what stands under one key before and after; what is equal on both sides is left out. */
function changes<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (item: T) => string,
  valueOf: (item: T) => string,
): { key: string; from: T | undefined; to: T | undefined }[] {
  const old = new Map(before.map((item) => [keyOf(item), item]));
  const found: { key: string; from: T | undefined; to: T | undefined }[] = [];
  for (const item of after) {
    const key = keyOf(item);
    const from = old.get(key);
    old.delete(key);
    if (from === undefined || valueOf(from) !== valueOf(item)) found.push({ key, from, to: item });
  }
  for (const [key, from] of old) found.push({ key, from, to: undefined });
  return found;
}

/** Texts that only one side has, paired in their order: an instruction that was edited stands beside what it became. */
function textChanges(
  before: readonly string[],
  after: readonly string[],
): { from: string | null; to: string | null }[] {
  const only = (texts: readonly string[], others: readonly string[]) => {
    const left = new Map<string, number>();
    for (const text of others) left.set(text, (left.get(text) ?? 0) + 1);
    return texts.filter((text) => {
      const count = left.get(text) ?? 0;
      if (count > 0) left.set(text, count - 1);
      return count === 0;
    });
  };
  const removed = only(before, after);
  const added = only(after, before);
  if (removed.length === 0 && added.length === 0) {
    const moved = after.find((text, index) => text !== before[index]);
    return moved === undefined ? [] : [{ from: null, to: moved }];
  }
  return Array.from({ length: Math.max(removed.length, added.length) }, (_, index) => ({
    from: removed[index] ?? null,
    to: added[index] ?? null,
  }));
}

function fileReasons(before: readonly Input[], after: readonly Input[], originOf: (path: string) => string): Reason[] {
  const changed = changes(
    ofKind(before, 'file'),
    ofKind(after, 'file'),
    (file) => file.path,
    (file) => `${file.mode} ${file.hash}`,
  );
  return changed.map(({ key, from, to }): Reason => {
    const path = originOf(key);
    if (from === undefined) return { kind: 'file-added', path };
    if (to === undefined) return { kind: 'file-removed', path };
    if (from.hash === to.hash) return { kind: 'mode-changed', path, from: from.mode, to: to.mode };
    return { kind: 'file-changed', path };
  });
}

function packageReasons(before: readonly Input[], after: readonly Input[], nameOf: (path: string) => string): Reason[] {
  const changed = changes(
    ofKind(before, 'package'),
    ofKind(after, 'package'),
    (file) => file.path,
    (file) => `${file.mode} ${file.sha256}`,
  );
  return changed.map(({ key, from, to }): Reason => {
    const path = nameOf(key);
    if (from === undefined) return { kind: 'file-added', path };
    if (to === undefined) return { kind: 'file-removed', path };
    if (from.sha256 === to.sha256) return { kind: 'mode-changed', path, from: from.mode ?? null, to: to.mode ?? null };
    return { kind: 'file-changed', path };
  });
}

/** What `prepare:` reads, runs and makes. */
function prepareReasons(before: readonly Input[], after: readonly Input[]): Reason[] {
  const files = changes(
    ofKind(before, 'prepare-file'),
    ofKind(after, 'prepare-file'),
    (file) => file.path,
    (file) => `${file.mode} ${file.hash}`,
  ).map(({ key, from, to }): Reason => {
    const kind = from === undefined ? 'file-added' : to === undefined ? 'file-removed' : 'file-changed';
    return { kind, path: key };
  });
  const texts = (inputs: readonly Input[]) =>
    ofKind(inputs, 'prepare').map(({ run, outputs }) => `prepare ${run.join(' ')} → ${outputs.join(' ')}`);
  const [from, to] = [texts(before), texts(after)];
  const steps = textChanges(from, to).map((each): Reason => ({ kind: 'instruction-changed', ...each }));
  const values = (inputs: readonly Input[]) => JSON.stringify(ofKind(inputs, 'prepare').map(({ env }) => env));
  const environment: Reason = { kind: 'instruction-changed', name: 'prepare', from: null, to: 'its variables' };
  return [...files, ...steps, ...(steps.length === 0 && values(before) !== values(after) ? [environment] : [])];
}

/** As reasons show it. */
export function instructionText(input: InputOf<'instruction'>): string {
  return [input.text, ...(input.heredocs ?? [])].join('\n');
}

function instructionReasons(before: readonly Input[], after: readonly Input[]): Reason[] {
  const texts = (inputs: readonly Input[]) => [
    ...ofKind(inputs, 'directive').map((directive) => `# ${directive.name}=${directive.value}`),
    ...ofKind(inputs, 'instruction')
      .toSorted((a, b) => a.stage - b.stage || a.seq - b.seq)
      .map(instructionText),
  ];
  const own = textChanges(texts(before), texts(after)).map(({ from, to }): Reason => {
    return { kind: 'instruction-changed', from, to };
  });
  const onbuild = changes(
    ofKind(before, 'onbuild'),
    ofKind(after, 'onbuild'),
    (trigger) => `${trigger.of} ${trigger.seq}`,
    (trigger) => trigger.text,
  ).map(({ from, to }): Reason => {
    const of = (to ?? from)!.of;
    return { kind: 'instruction-changed', name: `ONBUILD of ${of}`, from: from?.text ?? null, to: to?.text ?? null };
  });
  const labels = changes(
    ofKind(before, 'label'),
    ofKind(after, 'label'),
    (label) => label.name,
    (label) => label.value,
  ).map(({ key, from, to }): Reason => {
    return { kind: 'instruction-changed', name: `label ${key}`, from: from?.value ?? null, to: to?.value ?? null };
  });
  return [...own, ...onbuild, ...labels];
}

function argReasons(before: readonly Input[], after: readonly Input[]): Reason[] {
  const found = changes(
    ofKind(before, 'arg'),
    ofKind(after, 'arg'),
    (arg) => `${arg.stage} ${arg.name}`,
    (arg) => JSON.stringify(arg.value),
  );
  const byName = new Map<string, Reason>();
  for (const { from, to } of found) {
    const name = (to ?? from)!.name;
    byName.set(name, { kind: 'arg-changed', name, from: from?.value ?? null, to: to?.value ?? null });
  }
  return [...byName.values()];
}

/** The kinds whose inputs are a name and one value. */
function valueReasons<K extends Input['kind']>(
  before: readonly Input[],
  after: readonly Input[],
  kind: K,
  reason: ReasonKind,
  nameOf: (input: InputOf<K>) => string,
  valueOf: (input: InputOf<K>) => string,
): Reason[] {
  return changes(ofKind(before, kind), ofKind(after, kind), nameOf, valueOf).map(({ key, from, to }): Reason => {
    const values = { from: from ? valueOf(from) : null, to: to ? valueOf(to) : null };
    return key === '' ? { kind: reason, ...values } : { kind: reason, name: key, ...values };
  });
}

/** A new default in an ARG's own instruction is told by the ARG's value: `ARG ONNXRUNTIME: 1.20.1 → 1.21.0`. */
function isDefaultOf({ from, to }: Reason, names: ReadonlySet<string | undefined>): boolean {
  const name = /^ARG (\w+)/.exec(to ?? '')?.[1];
  return name !== undefined && names.has(name) && from?.split('=')[0] === to?.split('=')[0];
}

/**
 * What differs between two input lists of a layer, named so that a person knows at once. What the layer itself
 * changed comes first, what came from below last. `originOf` turns a path in the context into one of the repository,
 * `packageName` one in the packages folder.
 */
export function reasonsBetween(
  before: readonly Input[],
  after: readonly Input[],
  originOf: (path: string) => string,
  packageName: (path: string) => string = (path) => path,
): Reason[] {
  const args = argReasons(before, after);
  const told = new Set(args.map((reason) => reason.name));
  return [
    ...fileReasons(before, after, originOf),
    ...packageReasons(before, after, packageName),
    ...prepareReasons(before, after),
    ...instructionReasons(before, after).filter((reason) => !isDefaultOf(reason, told)),
    ...args,
    ...valueReasons(
      before,
      after,
      'target',
      'target-changed',
      () => '',
      (target) => target.value,
    ),
    ...valueReasons(
      before,
      after,
      'mount',
      'mount-changed',
      (mount) => `${mount.type} ${mount.id}`.trim(),
      (mount) => mount.text,
    ),
    ...valueReasons(
      before,
      after,
      'remote',
      'instruction-changed',
      (remote) => remote.url,
      (remote) => remote.checksum ?? '',
    ),
    ...valueReasons(
      before,
      after,
      'platform',
      'platform-changed',
      () => '',
      (platform) => platform.value,
    ),
    ...valueReasons(
      before,
      after,
      'epoch',
      'refresh',
      () => '',
      (epoch) => epoch.value,
    ),
    ...valueReasons(
      before,
      after,
      'base',
      'base-changed',
      (base) => base.reference,
      (base) => base.digest,
    ),
    ...valueReasons(
      before,
      after,
      'parent',
      'parent-changed',
      (parent) => parent.layer,
      (parent) => parent.fingerprint,
    ),
    ...valueReasons(
      before,
      after,
      'tool',
      'tool-changed',
      (tool) => tool.name,
      (tool) => tool.version,
    ),
  ];
}
