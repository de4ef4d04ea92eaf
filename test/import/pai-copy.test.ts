import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openContext, openWorkTree } from '../../src/context/context.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { openProject } from '../../src/project/open.ts';
import { imageYaml, realCopies, type Entry } from './pai.ts';

type Node = { kind: 'file'; text: string; exec: boolean } | { kind: 'link'; to: string } | { kind: 'folder' };

const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const node: fc.Arbitrary<Node> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('file' as const), text: fc.constantFrom('1', '2'), exec: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('link' as const), to: fc.constantFrom('a', 'b', 'zz') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('folder' as const) }) },
);
const nodes = fc.array(fc.tuple(path, node), { maxLength: 7 });
/** A source is mostly one of the nodes that there are. */
interface Draft {
  from: 'other' | 'lib' | 'own';
  index: number;
  whole: boolean;
  end: string;
  dst: string;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  from: fc.constantFrom('other', 'other', 'lib', 'own'),
  index: fc.nat({ max: 9 }),
  whole: fc.constantFrom(false, false, false, true),
  end: fc.constantFrom('', '', '', '/', '/.'),
  dst: fc
    .tuple(fc.option(path, { nil: '', freq: 8 }), fc.constantFrom('', '', '/'))
    .map(([below, end]) => posix.join('src/x', below) + end),
});

function entriesOf(drafts: readonly Draft[], trees: Record<Draft['from'], readonly [string, Node][]>): Entry[] {
  const folders = { other: '../other', lib: 'lib', own: 'src/x' };
  return drafts.map(({ from, index, whole, end, dst }) => {
    const below = whole ? '' : (trees[from][index % Math.max(1, trees[from].length)]?.[0] ?? '');
    return { src: posix.join(folders[from], below) + end, dst };
  });
}

function put(root: string, folder: string, entries: readonly [string, Node][]): void {
  mkdirSync(join(root, folder), { recursive: true });
  for (const [below, each] of entries) {
    const file = join(root, folder, below);
    try {
      mkdirSync(each.kind === 'folder' ? file : dirname(file), { recursive: true });
      if (each.kind === 'link') symlinkSync(each.to, file);
      if (each.kind !== 'file') continue;
      writeFileSync(file, each.text, { flag: 'wx' });
      if (each.exec) chmodSync(file, 0o755);
    } catch {
      // Something else is there already.
    }
  }
}

/** Undefined where an entry is refused. */
async function ourCopies(root: string): Promise<Record<string, string> | undefined> {
  try {
    const { config } = await openProject({ directory: root });
    const layer = config.layers.find((each) => each.name === 'x')!;
    const { prepare: _, ...plain } = layer;
    const tree = await openWorkTree(root);
    const context = await openContext({ root, layer: plain, tree });
    return Object.fromEntries(Array.from(await context.all(), ({ path: at, mode, hash }) => [at, `${mode} ${hash}`]));
  } catch (error) {
    if (error instanceof Failure || error instanceof Failures) return undefined;
    throw error;
  }
}

/** A link on the way to a destination is followed by cp, and refused here. */
function passesLink(entries: readonly (readonly [string, Node][])[]): boolean {
  return entries.some((each) => each.some(([, { kind }]) => kind === 'link'));
}

test('copy-lists are what cp -r makes of them, one after the other', async () => {
  const outcomes = { copied: 0, refused: 0, stricter: 0 };
  const property = fc.asyncProperty(
    nodes,
    nodes,
    nodes,
    fc.array(draft, { minLength: 1, maxLength: 3 }),
    async (other, lib, own, drafts) => {
      const entries = entriesOf(drafts, { other, lib, own });
      const root = realpathSync(mkdtempSync(join(tmpdir(), 'imgbuild-copy-')));
      try {
        put(root, 'other', other);
        put(root, 'pai/lib', lib);
        put(root, 'pai/src/x', own);
        writeFileSync(join(root, 'pai/src/x/dockerfile'), 'FROM scratch\n');
        writeFileSync(join(root, 'pai/src/x/image.yaml'), imageYaml(entries));
        writeFileSync(join(root, 'imgbuild.yaml'), 'version: 1\nname: t\ninclude: { pai: { path: pai, copy: cp } }\n');
        const real = realCopies(root, 'pai', 'pai/src/x', entries);
        const ours = await ourCopies(root);
        if (ours === undefined && real !== undefined && passesLink([other, lib, own])) {
          outcomes.stricter++;
          return;
        }
        expect(ours).toEqual(real);
        outcomes[real === undefined ? 'refused' : 'copied']++;
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
  );
  await fc.assert(property, {
    numRuns: Number(process.env['PAI_RUNS'] ?? 60),
    seed: Number(process.env['PAI_SEED'] ?? 7),
  });
  expect(outcomes.copied).toBeGreaterThan(5);
  expect(outcomes.refused).toBeGreaterThan(5);
});
