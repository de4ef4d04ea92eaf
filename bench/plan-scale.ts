/**
 * `plan` in a git repository of 100,000 and of 1,000,000 files with 50 layers, each of which copies a folder, against
 * `git status` of the same repository in turn: wall-clock time and peak memory. `contexts` is the part that lists and
 * hashes what the layers read, in a process of its own. All layers are saved: the plan of an unchanged tree.
 *
 * Wanted: plan ≤ 1.5 × git status + 150 ms, ≤ 200 MiB; ten times the files in ≤ 12 times the time.
 *
 * With FILES in the environment ("100000 1000000") other sizes are measured.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openContext, openWorkTree } from '../src/context/context.ts';
import { saveAll } from '../test/plan/saved-project.ts';
import { type Command, measure, record } from './measure.ts';

const layerCount = 50;
const filesPerFolder = 20;

function layerName(index: number): string {
  return `layer${String(index).padStart(2, '0')}`;
}

/** Makes the repository. A thousand contents, so that git has few objects to write: nothing here reads them. */
function makeRepository(root: string, files: number): void {
  const folders = Math.ceil(files / layerCount / filesPerFolder);
  const lines = ['version: 1', 'name: scale', 'layers:'];
  for (let layer = 0; layer < layerCount; layer += 1) {
    const context = path.join('docker', layerName(layer));
    lines.push(`  ${layerName(layer)}: { context: ${context}, image: ${layerName(layer)} }`);
    for (let folder = 0; folder < folders; folder += 1) {
      const place = path.join(root, context, 'src', `package${folder}`);
      mkdirSync(place, { recursive: true });
      for (let file = 0; file < filesPerFolder; file += 1) {
        writeFileSync(path.join(place, `module${file}.py`), `print(${layer}, ${file})\n`.repeat(8));
      }
    }
    writeFileSync(path.join(root, context, 'Dockerfile'), 'FROM scratch\nCOPY src /src/\n');
  }
  writeFileSync(path.join(root, 'imgbuild.yaml'), `${lines.join('\n')}\n`);
  writeFileSync(path.join(root, '.gitignore'), 'build/\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', '-c', 'gc.auto=0', ...args], {
      cwd: root,
    });
  git('init', '-q');
  git('add', '-A');
  git('commit', '-qm', 'all');
  // Later than the last file's time, so that the index calls none of them racily clean.
  execFileSync('sleep', ['1.1']);
  git('update-index', '-q', '--refresh');
  git('status');
}

/** What `plan` asks of its contexts. */
async function contexts(root: string): Promise<void> {
  const tree = await openWorkTree(root);
  let found = 0;
  for (let layer = 0; layer < layerCount; layer += 1) {
    const context = path.join('docker', layerName(layer));
    const dockerfile = path.join(context, 'Dockerfile');
    const opened = await openContext({ root, layer: { context, dockerfile, copy: [], git: false }, tree });
    const at = { file: dockerfile, line: 2, column: 1, length: 1, text: '' };
    const entries = await opened.select([{ via: 'copy', patterns: ['src'], excludes: [], parents: false, at }]);
    found += [...entries].length;
  }
  await tree.close();
  console.log(found);
}

async function bench(): Promise<void> {
  const cli = path.join(import.meta.dirname, '../dist/cli.js');
  const figures: Record<string, unknown> = {};
  const sizes = (process.env['FILES'] ?? '100000 1000000').split(' ').map(Number);
  const seconds: number[] = [];
  for (const files of sizes) {
    const root = mkdtempSync(path.join(tmpdir(), 'imgbuild-plan-scale-'));
    try {
      makeRepository(root, files);
      await saveAll(root);
      const commands: Record<string, Command> = {
        status: { argv: ['git', 'status'], cwd: root },
        contexts: { argv: [process.execPath, import.meta.filename, '--contexts', root] },
        plan: { argv: [process.execPath, cli, 'plan', '--json'], cwd: root },
      };
      const found = measure(commands, files > 500_000 ? 3 : 7);
      const plan = found['plan']!;
      seconds.push(plan.seconds);
      figures[files] = {
        ...found,
        planOverLimit: plan.seconds / (1.5 * found['status']!.seconds + 0.15),
      };
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }
  const growth = seconds.length > 1 ? seconds.at(-1)! / seconds[0]! : undefined;
  record('plan-scale', { ...figures, growth });
}

if (process.argv[2] === '--contexts') await contexts(process.argv[3]!);
else await bench();
