/**
 * Deltas of models, against the general coding, zstd, bsdiff and HDiffPatch in the same run: bytes, seconds, CPU seconds, peak
 * memory of making; the same of applying ours. What ours makes is applied and compared with the new file.
 *
 * Two pairs were trained anew from one release to the next. The others are the numbers of a real model, written in several types,
 * and each moved by a random step, of that part of their standard deviation: what a little more training does.
 *
 * bsdiff and zstd are taken from PATH (`apt-get install bsdiff zstd`), HDiffPatch from the Python that PYTHON names (`pip install
 * hdiffpatch`); who isn't there is left out, as is bsdiff above BSDIFF megabytes (64). PAIRS is a folder to keep the files in,
 * ONLY a list of names. Wanted: no pair larger than what any of the others makes of it.
 */
import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tensorFileOf } from '../src/delta/tensors/tensor-file.ts';
import { asBytes, safetensors, tuned, type WrittenTensor } from '../test/delta/tensors/models.ts';
import { cpuSeconds, record, recorded } from './measure.ts';
import { pairIn, wheel, type Source } from './support/delta-pairs.ts';

const folder = path.resolve(process.env['PAIRS'] ?? path.join(tmpdir(), 'imgbuild-model-pairs'));
const bsdiffLimit = Number(process.env['BSDIFF'] ?? 64) * 1e6;
const only = process.env['ONLY']?.split(',');
const has = (program: string) => spawnSync('which', [program]).status === 0;
const hdiff = `
import hdiffpatch, sys
old, new = (open(name, 'rb').read() for name in sys.argv[1:3])
open(sys.argv[3], 'wb').write(hdiffpatch.diff(old, new, hdiffpatch.ZStdConfig(level=19), validate=False))
`;

const trained = wheel('rapidocr', 'rapidocr', '**/ch_PP-OCRv4_rec_infer.onnx', ['3.3.0', '3.4.2']);

/** All numbers of a model whose numbers are of 32 bits, as one tensor. */
function numbersOf(file: string): Float32Array {
  const bytes = readFileSync(file);
  const model = tensorFileOf({
    size: bytes.length,
    read: (position, length, into) => into.set(bytes.subarray(position, position + length)),
  });
  const parts = model!.tensors.filter(({ type }) => type === '1');
  const joined = Buffer.concat(parts.map(({ start, size }) => bytes.subarray(start, start + size)));
  return new Float32Array(joined.buffer.slice(joined.byteOffset, joined.byteOffset + joined.length));
}

const simulated = (dtype: WrittenTensor['dtype'], step: number): Source => ({
  name: `${dtype}-${step}`,
  what: `numbers of PP-OCRv4 in ${dtype}, a step of ${step}`,
  fetch(old, text) {
    const values = numbersOf(pairIn(folder, trained).text);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    // The steps of `tuned` have a standard deviation of 0.058.
    const later = tuned(values, (step * deviation) / 0.058, 1);
    const write = (each: Float32Array) =>
      safetensors([{ name: 'weight', dtype, shape: [each.length], bytes: asBytes(each, dtype) }]);
    writeFileSync(old, write(values));
    writeFileSync(text, write(later));
  },
});

const sources: Source[] = [
  wheel('silero-vad', 'silero-vad', '**/silero_vad.onnx', ['5.1.2', '6.0.0']),
  wheel('magika', 'magika', '**/model.onnx', ['0.6.1', '0.6.2']),
  ...[1e-5, 1e-3].flatMap((step) => (['f32', 'bf16', 'f16'] as const).map((dtype) => simulated(dtype, step))),
  simulated('i8', 1e-2),
];

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-bench-models-'));
const bundled = (name: string) => {
  const outfile = path.join(work, `${name}.mjs`);
  const entry = path.join(import.meta.dirname, 'support', `${name}.ts`);
  buildSync({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile });
  return outfile;
};
const [planes, general] = [bundled('planes-process'), bundled('delta-process')];

mkdirSync(folder, { recursive: true });
const pairs: Record<string, unknown> = only === undefined ? {} : { ...(recorded('model-deltas')['pairs'] as object) };
let unlike = 0;
try {
  for (const source of sources.filter(({ name }) => only === undefined || only.includes(name))) {
    const { old, text } = pairIn(folder, source);
    const [delta, made] = [path.join(work, 'delta'), path.join(work, 'made')];
    const peers: Record<string, string[]> = {
      planes: [process.execPath, planes, 'encode', old, text, delta],
      general: [process.execPath, general, 'encode', old, text, delta, '19'],
    };
    if (has('bsdiff') && statSync(text).size <= bsdiffLimit) peers['bsdiff'] = ['bsdiff', old, text, delta];
    if (has('zstd')) {
      peers['zstd-19'] = ['zstd', '-q', '-f', '-19', '--long=31', `--patch-from=${old}`, text, '-o', delta];
    }
    const python = process.env['PYTHON'];
    if (python !== undefined) peers['hdiffpatch-19'] = [python, '-c', hdiff, old, text, delta];
    const figures: Record<string, unknown> = {};
    for (const [name, argv] of Object.entries(peers)) {
      rmSync(delta, { force: true });
      const measured = cpuSeconds({ argv });
      figures[name] = { bytes: statSync(delta).size, ...measured };
      if (name !== 'planes') continue;
      figures['planes apply'] = cpuSeconds({ argv: [process.execPath, planes, 'decode', old, delta, made] });
      if (!readFileSync(made).equals(readFileSync(text))) unlike++;
    }
    pairs[source.name] = { what: source.what, bytes: statSync(text).size, figures };
    console.error(source.name, JSON.stringify(figures));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
record('model-deltas', { unlike, pairs });
if (unlike > 0) process.exitCode = 1;
