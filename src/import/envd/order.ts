import type { Collected, Step } from './steps.ts';

/** `written`: as the file says; the others: as that version of envd takes them, whatever the file says. */
export type Order = (typeof orders)[number];
export const orders = ['written', 'envd-v0', 'envd-v1'] as const;

/** What a layer of its own is made of. */
export type GroupKind = 'system' | 'python' | 'r' | 'julia' | 'run' | 'files' | 'code';

export interface Group {
  kind: GroupKind;
  steps: Step[];
}

/** https://github.com/tensorchord/envd, pkg/lang/ir/v0 and v1: how the graph is compiled. */
const ranks: Record<Exclude<Order, 'written'>, Record<Step['kind'], number>> = {
  'envd-v0': {
    system: 0,
    shell: 1,
    python: 2,
    conda: 3,
    pip: 4,
    r: 5,
    julia: 5,
    http: 6,
    copy: 7,
    run: 8,
    git: 9,
    command: 10,
  },
  'envd-v1': {
    system: 0,
    python: 1,
    pip: 2,
    conda: 3,
    r: 4,
    julia: 4,
    http: 5,
    copy: 6,
    git: 7,
    shell: 8,
    run: 9,
    command: 10,
  },
};

const kinds: Record<Step['kind'], GroupKind> = {
  system: 'system',
  shell: 'system',
  git: 'system',
  python: 'python',
  pip: 'python',
  conda: 'python',
  r: 'r',
  julia: 'julia',
  run: 'run',
  http: 'files',
  copy: 'code',
  command: 'code',
};

/** Steps that may need the Python that the file asks for. */
const usesPython = new Set<Step['kind']>(['pip', 'conda', 'run', 'copy', 'http', 'command', 'julia']);

/** The steps in the order in which they are taken, with Python before the first that may need it. */
export function inOrder({ steps, base, span }: Collected, order: Order, withPython: boolean): Step[] {
  const sorted =
    order === 'written' ? [...steps] : steps.toSorted((a, b) => ranks[order][a.kind] - ranks[order][b.kind]);
  const asked = sorted.findIndex(({ kind }) => kind === 'python');
  const own: Step =
    asked < 0 ? { kind: 'python', call: base?.call ?? 'build', span: base?.span ?? span } : sorted[asked]!;
  const others = sorted.filter(({ kind }) => kind !== 'python');
  if (!withPython) return others;
  const first = sorted.findIndex(({ kind }) => kind === 'python' || usesPython.has(kind));
  const at = first < 0 ? others.length : first;
  return [...others.slice(0, at), own, ...others.slice(at)];
}

/** Steps of a kind side by side; commands belong to the code once there is some. */
export function groupsOf(steps: readonly Step[]): Group[] {
  const groups: Group[] = [];
  let code = false;
  for (const step of steps) {
    // What comes from an image changes with that image alone.
    code ||= step.kind === 'copy' && step.image === undefined;
    const plain = step.kind === 'copy' && step.image !== undefined ? 'files' : kinds[step.kind];
    const kind = plain === 'run' && code ? 'code' : plain;
    const last = groups.at(-1);
    if (last?.kind === kind) last.steps.push(step);
    else groups.push({ kind, steps: [step] });
  }
  return groups;
}
