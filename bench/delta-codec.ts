/**
 * Deltas of single files, two releases each of real software, against bsdiff, xdelta3, zstd and HDiffPatch in the same
 * run: bytes, seconds, CPU seconds, peak memory of making; the same of applying ours. What ours makes is applied and
 * compared with the new file.
 *
 * Wanted: on programs at most 0.3 times bsdiff's bytes in the geometric mean and never above 0.45; 8 times its speed at
 * level 9, never below 4, by the clock and on two cores (bsdiff takes one), so on a machine that does nothing else; on
 * Python trees at most 0.85 times its bytes; applying 100 MB/s at 64 MiB beside Node's own.
 *
 * bsdiff, xdelta3 and zstd are taken from PATH (`apt-get install bsdiff xdelta3 zstd`), HDiffPatch from the Python that
 * PYTHON names (`pip install hdiffpatch`); who isn't there is left out. EXPERIMENT names a folder of another encoder:
 * its `final.js PAIR full24 LEVEL` runs beside a folder `pairs`. PAIRS is a folder to keep the files in, ONLY a list of
 * names, PEERS of peers: what was recorded of the others stays. RUNS says how often each is measured.
 */
import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cpuSeconds, record, type CpuMeasured } from './measure.ts';
import { pairIn, sources, type Pair } from './support/delta-pairs.ts';

interface Figures extends Partial<CpuMeasured> {
  bytes: number;
}

const runs = Number(process.env['RUNS'] ?? 1);
const folder = path.resolve(process.env['PAIRS'] ?? path.join(tmpdir(), 'imgbuild-delta-pairs'));
const only = process.env['ONLY']?.split(',');
const asked = process.env['PEERS']?.split(',');
const has = (program: string) => spawnSync('which', [program]).status === 0;
const hdiff = `
import hdiffpatch, sys
old, new = (open(name, 'rb').read() for name in sys.argv[1:3])
open(sys.argv[3], 'wb').write(hdiffpatch.diff(old, new, hdiffpatch.ZStdConfig(level=19), validate=False))
`;

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-bench-delta-'));
// As users have it: the program in one file, and what its thread runs in another.
const root = path.dirname(import.meta.dirname);
const ours = path.join(work, 'delta-process.js');
buildSync({
  entryPoints: {
    'delta-process': path.join(root, 'bench/support/delta-process.ts'),
    'prepare-thread': path.join(root, 'src/delta/codec/elf/prepare-thread.ts'),
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outdir: work,
});
writeFileSync(path.join(work, 'package.json'), '{ "type": "module" }');

function peers({ name, old, text }: Pair, delta: string): Record<string, string[]> {
  const window = String(2 ** Math.ceil(Math.log2(statSync(old).size + 1)));
  const found: Record<string, string[]> = {
    'imgbuild-9': [process.execPath, ours, 'encode', old, text, delta, '9'],
    'imgbuild-19': [process.execPath, ours, 'encode', old, text, delta, '19'],
  };
  if (has('bsdiff')) found['bsdiff'] = ['bsdiff', old, text, delta];
  if (has('xdelta3'))
    found['xdelta3-9'] = ['xdelta3', '-e', '-9', '-f', '-S', 'lzma', '-B', window, '-s', old, text, delta];
  if (has('zstd')) {
    for (const level of ['-3', '-19']) {
      found[`zstd${level}`] = ['zstd', '-q', '-f', level, '--long=31', `--patch-from=${old}`, text, '-o', delta];
    }
  }
  const python = process.env['PYTHON'];
  if (python !== undefined) found['hdiffpatch-19'] = [python, '-c', hdiff, old, text, delta];
  const experiment = process.env['EXPERIMENT'];
  if (experiment !== undefined) {
    const program = /arm64|esbuild/.test(name) ? 'finalarm.js' : 'final.js';
    for (const level of ['9', '19']) {
      found[`experiment-${level}`] = [process.execPath, path.join(experiment, program), name, 'full24', `z${level}`];
    }
  }
  return found;
}

function measured(name: string, argv: string[], delta: string): Figures {
  const printed = { argv: ['sh', '-c', 'exec "$@" > "$OUTPUT"', 'sh', ...argv], cwd: path.dirname(folder) };
  const found = cpuSeconds({ ...printed, env: { ...process.env, OUTPUT: `${delta}.log`, NODEC: '1' } }, runs);
  // The experiment prints its size and writes nothing.
  if (!name.startsWith('experiment')) return { bytes: statSync(delta).size, ...found };
  return { bytes: Number(/ size +(\d+) /.exec(readFileSync(`${delta}.log`, 'utf8'))?.[1]), ...found };
}

const mean = (values: number[]) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

mkdirSync(folder, { recursive: true });
type Recorded = Record<string, { what: string; bytes: number; figures: Record<string, Figures> }>;
const recorded = path.join(import.meta.dirname, 'results/delta-codec.json');
const kept = (): Recorded =>
  existsSync(recorded) ? (JSON.parse(readFileSync(recorded, 'utf8')) as { pairs: Recorded }).pairs : {};
const measuredNow: Recorded = {};
let unlike = 0;
try {
  for (const source of sources.filter(({ name }) => only === undefined || only.includes(name))) {
    const pair = pairIn(folder, source);
    const delta = path.join(work, 'delta');
    const figures: Record<string, Figures> = {};
    for (const [name, argv] of Object.entries(peers(pair, delta))) {
      if (asked?.includes(name) === false) continue;
      rmSync(delta, { force: true });
      figures[name] = measured(name, argv, delta);
      if (!name.startsWith('imgbuild')) continue;
      const made = path.join(work, 'made');
      const decode = [process.execPath, ours, 'decode', pair.old, delta, made];
      figures[`${name} apply`] = { bytes: figures[name].bytes, ...cpuSeconds({ argv: decode }, runs) };
      if (!readFileSync(made).equals(readFileSync(pair.text))) unlike++;
    }
    measuredNow[source.name] = { what: source.what, bytes: statSync(pair.text).size, figures };
    console.error(source.name, JSON.stringify(figures));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

const pairs = only === undefined && asked === undefined ? measuredNow : kept();
for (const [name, pair] of Object.entries(measuredNow)) {
  pairs[name] = { ...pair, figures: { ...(asked !== undefined && pairs[name]?.figures), ...pair.figures } };
}
const ratios = Object.entries(pairs).flatMap(([name, { figures }]) => {
  if (name === 'transformers') return [];
  const [nine, best, bsdiff] = [figures['imgbuild-9'], figures['imgbuild-19'], figures['bsdiff']];
  if (nine === undefined || best === undefined || bsdiff === undefined) return [];
  const bytes = { nine: nine.bytes / bsdiff.bytes, best: best.bytes / bsdiff.bytes };
  return [{ ...bytes, speed: bsdiff.seconds! / nine.seconds!, cpu: bsdiff.cpu! / nine.cpu! }];
});
record('delta-codec', {
  runs,
  unlike,
  ...(ratios.length > 0 && {
    programBytesOverBsdiff: {
      'level 9': mean(ratios.map(({ nine }) => nine)),
      'level 19': mean(ratios.map(({ best }) => best)),
      'largest at level 9': Math.max(...ratios.map(({ nine }) => nine)),
      'largest at level 19': Math.max(...ratios.map(({ best }) => best)),
    },
    programSpeedOverBsdiffAtLevel9: {
      mean: mean(ratios.map(({ speed }) => speed)),
      least: Math.min(...ratios.map(({ speed }) => speed)),
      'mean of processor seconds': mean(ratios.map(({ cpu }) => cpu)),
    },
  }),
  pairs,
});
if (unlike > 0) process.exitCode = 1;
