/**
 * Deltas of whole images, two releases each of real software, against bsdiff, xdelta3, zstd and HDiffPatch in the same run:
 * bytes, seconds, CPU seconds, peak memory of making; the same of applying. `pull` is what a registry would send.
 *
 * Ours read both images with all that is verified and proven there, and write what a device takes. The others get the tars
 * of the filesystem layers that differ, unpacked, one after the other: what they make is compared with the new ones.
 * Of our bundles two figures are kept: `bytes` of the whole file, with manifests, config, the account and the blocks of its
 * tar, which the others do not have; and `layers`, what codes the filesystem layers, as the others' bytes do.
 *
 * Wanted: at most half the bytes of the best of the others on each pair, at most 1 GiB, five times faster than that one.
 *
 * xdelta3, zstd and bsdiff are taken from PATH (`apt-get install bsdiff xdelta3 zstd`), HDiffPatch from the Python that
 * PYTHON names (`pip install hdiffpatch`); who isn't there is left out, as is bsdiff above BSDIFF megabytes (64), where it
 * takes minutes and nine times as much memory. IMAGES is a folder to keep the images in.
 *
 * What was measured of the same bytes is kept. PARTS names pairs, PEERS what is measured of them again, and SECONDS says
 * after which time nothing more is begun: the next run goes on there.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle } from '../scripts/build.ts';
import { cpuSeconds, record, recorded, type CpuMeasured } from './measure.ts';
import { codedLayerBytes } from './support/coded-layers.ts';
import { sha256Of } from './support/image-layers.ts';
import { imagePairIn, imagePairs, type ImagePair } from './support/image-pairs.ts';

interface Figures {
  bytes: number;
  /** Of ours: bytes of what codes the filesystem layers. */
  layers?: number;
  make: CpuMeasured;
  apply: CpuMeasured;
}

interface Recorded {
  what: string;
  /** Of the tars of the filesystem layers that differ, unpacked. */
  oldBytes: number;
  newBytes: number;
  sha256: { old: string; new: string };
  pull: { bytes: number };
  peers: Record<string, Figures>;
}

interface Peer {
  make: string[];
  apply: string[];
}

const folder = path.resolve(process.env['IMAGES'] ?? path.join(tmpdir(), 'imgbuild-image-pairs'));
const only = process.env['PARTS']?.split(',');
const again = process.env['PEERS']?.split(',');
const bsdiffMegabytes = Number(process.env['BSDIFF'] ?? 64);
const end = Date.now() + 1000 * Number(process.env['SECONDS'] ?? Infinity);
const python = process.env['PYTHON'];
/** By our own program: our coding or whatever is smaller, and tar-diffs alone. */
const ours = new Set(['imgbuild', 'oci-delta']);
const has = (program: string) => spawnSync('which', [program]).status === 0;
const hdiff = `
import hdiffpatch, sys
what, first, second, output = sys.argv[1:]
first, second = (open(name, 'rb').read() for name in (first, second))
if what == 'make': made = hdiffpatch.diff(first, second, hdiffpatch.ZStdConfig(level=19), validate=False)
else: made = hdiffpatch.apply(first, second)
open(output, 'wb').write(made)
`;

function peers(cli: string, work: string, pair: ImagePair): Record<string, Peer> {
  const [delta, made] = [path.join(work, 'delta'), path.join(work, 'made')];
  const [old, text] = [pair.old.path, pair.new.path];
  const imgbuild = (...args: string[]) => [process.execPath, cli, 'ota', ...args, '--platform', pair.platform];
  const own = (format: string): Peer => ({
    make: imgbuild('diff', pair.from, pair.to, '-o', delta, '--format', format),
    apply: imgbuild('verify', delta, '--from', pair.from, '--allow-unsigned'),
  });
  const found: Record<string, Peer> = { imgbuild: own('auto'), 'oci-delta': own('oci-delta') };
  // Generated, to measure memory: it says nothing about bytes.
  if (pair.name === 'many-files') return found;
  if (has('xdelta3')) {
    const window = String(2 ** Math.ceil(Math.log2(pair.old.bytes + 1)));
    found['xdelta3-9'] = {
      make: ['xdelta3', '-e', '-9', '-f', '-S', 'lzma', '-B', window, '-s', old, text, delta],
      apply: ['xdelta3', '-d', '-f', '-B', window, '-s', old, delta, made],
    };
  }
  if (has('zstd')) {
    for (const level of ['-3', '-19']) {
      found[`zstd${level}`] = {
        make: ['zstd', '-q', '-f', level, '--long=31', `--patch-from=${old}`, text, '-o', delta],
        apply: ['zstd', '-q', '-f', '-d', '--long=31', `--patch-from=${old}`, delta, '-o', made],
      };
    }
  }
  if (has('bsdiff') && pair.old.bytes <= bsdiffMegabytes * 1e6) {
    found['bsdiff'] = { make: ['bsdiff', old, text, delta], apply: ['bspatch', old, made, delta] };
  }
  if (python !== undefined) {
    found['hdiffpatch-19'] = {
      make: [python, '-c', hdiff, 'make', old, text, delta],
      apply: [python, '-c', hdiff, 'apply', old, delta, made],
    };
  }
  return found;
}

async function measured(name: string, { make, apply }: Peer, work: string, pair: ImagePair): Promise<Figures> {
  const [delta, made] = [path.join(work, 'delta'), path.join(work, 'made')];
  for (const each of [delta, made]) rmSync(each, { force: true });
  const making = cpuSeconds({ argv: make, cwd: work });
  const bytes = statSync(delta).size;
  const layers = ours.has(name) ? { layers: await codedLayerBytes(delta) } : {};
  const applying = cpuSeconds({ argv: apply, cwd: work });
  // Ours compares all that it makes itself, and fails where it differs.
  if (!ours.has(name) && (await sha256Of(made)) !== pair.new.sha256)
    throw new Error(`${name} made something else of ${pair.name}`);
  return { bytes, ...layers, make: making, apply: applying };
}

const mean = (values: number[]) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** Ours beside the others' smallest: by bytes, by seconds of all processors, by seconds on the clock. */
function ratiosOf({ pull, peers: figures }: Recorded) {
  const imgbuild = figures['imgbuild'];
  const others = Object.entries(figures).filter(([name]) => !ours.has(name));
  const [best] = others.toSorted(([, a], [, b]) => a.bytes - b.bytes);
  if (imgbuild === undefined) return {};
  const overPull = imgbuild.bytes / pull.bytes;
  if (best === undefined) return { overPull };
  const [name, peer] = best;
  return {
    best: name,
    overBest: imgbuild.bytes / peer.bytes,
    layersOverBest: imgbuild.layers && imgbuild.layers / peer.bytes,
    overPull,
    speed: { cpu: peer.make.cpu / imgbuild.make.cpu, clock: peer.make.seconds / imgbuild.make.seconds },
  };
}

function keep(pairs: Record<string, Recorded>): void {
  const rated = Object.fromEntries(
    Object.entries(pairs).map(([name, pair]) => [name, { ...pair, ratios: ratiosOf(pair) }]),
  );
  const beside = Object.values(rated).flatMap(({ ratios }) => (ratios.overBest === undefined ? [] : [ratios]));
  const layersBeside = beside.flatMap(({ layersOverBest }) => layersOverBest ?? []);
  record('image-deltas', {
    ...(beside.length > 0 && {
      besideBest: {
        bytes: mean(beside.map(({ overBest }) => overBest)),
        largest: Math.max(...beside.map(({ overBest }) => overBest)),
        ...(layersBeside.length > 0 && { layers: mean(layersBeside), largestOfLayers: Math.max(...layersBeside) }),
        speed: mean(beside.map(({ speed }) => speed.cpu)),
        least: Math.min(...beside.map(({ speed }) => speed.cpu)),
      },
      peakMiB: Math.max(...Object.values(pairs).map((pair) => pair.peers['imgbuild']?.make.peakMiB ?? 0)),
    }),
    pairs: rated,
  });
}

mkdirSync(folder, { recursive: true });
const work = mkdtempSync(path.join(folder, '.bench-'));
try {
  await bundle(path.dirname(import.meta.dirname), path.join(work, 'dist'));
  const cli = path.join(work, 'dist/cli.js');
  const pairs = { ...(recorded('image-deltas')['pairs'] as Record<string, Recorded> | undefined) };
  for (const source of imagePairs.filter(({ name }) => only === undefined || only.includes(name))) {
    if (Date.now() > end) break;
    const pair = await imagePairIn(folder, source);
    const sha256 = { old: pair.old.sha256, new: pair.new.sha256 };
    const known = pairs[source.name];
    const isSame = known?.sha256.old === sha256.old && known.sha256.new === sha256.new;
    const found: Recorded = {
      what: pair.what,
      oldBytes: pair.old.bytes,
      newBytes: pair.new.bytes,
      sha256,
      pull: { bytes: pair.pullBytes },
      peers: isSame ? known.peers : {},
    };
    pairs[source.name] = found;
    for (const [name, peer] of Object.entries(peers(cli, work, pair))) {
      if (again === undefined ? found.peers[name] !== undefined : !again.includes(name)) continue;
      if (Date.now() > end) break;
      found.peers[name] = await measured(name, peer, work, pair);
      console.error(source.name, name, JSON.stringify(found.peers[name]));
      keep(pairs);
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
