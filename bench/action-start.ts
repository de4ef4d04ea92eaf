/**
 * Cold start of each action: from the start of the process until all that it loads at its start is loaded, against a
 * Node that loads nothing, in turn. The step that GitHub runs at the end of a job is such a start and does nothing else.
 *
 * Wanted: at most 300 ms; code that is loaded at the start ≤ 1.5 MB, all of dist ≤ 6 MB.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { actionNames, bundle } from '../scripts/build.ts';
import { measure, record, type Command } from './measure.ts';

const root = path.dirname(import.meta.dirname);
const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-start-'));
try {
  const dist = path.join(work, 'dist');
  const { metafile } = await bundle(root, dist);
  const env = { PATH: process.env.PATH, RUNNER_TEMP: work, GITHUB_WORKSPACE: work, STATE_main: 'started' };
  const commands: Record<string, Command> = { node: { argv: [process.execPath, '--eval', '0'], env } };
  for (const name of actionNames) commands[name] = { argv: [process.execPath, path.join(dist, `${name}.js`)], env };
  const measured = measure(commands, 11, 2);

  const startBytes = (file: string, seen = new Set<string>()): number => {
    if (seen.has(file)) return 0;
    seen.add(file);
    const { bytes, imports } = metafile.outputs[file]!;
    const wanted = imports.filter(({ kind, external }) => kind === 'import-statement' && external !== true);
    return wanted.reduce((sum, next) => sum + startBytes(next.path, seen), bytes);
  };
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  record('action-start', {
    distBytes: files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0),
    node: measured.node,
    actions: actionNames.map((name) => {
      const entry = Object.keys(metafile.outputs).find(
        (file) => metafile.outputs[file]!.entryPoint === `src/actions/${name}.ts`,
      )!;
      return { name, startBytes: startBytes(entry), ...measured[name] };
    }),
  });
} finally {
  rmSync(work, { recursive: true, force: true });
}
