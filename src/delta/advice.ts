import type { InspectedBundle, InspectedFile, InspectedLayer } from './inspect.ts';

/** Something that makes a bundle larger than it need be. Bytes are of the bundle. */
export type Advice =
  /** What package managers, programs and builds leave behind: it need not be in an image. */
  | { kind: 'left-behind'; folder: string; files: number; bytes: number }
  /** Compiled Python that differs from the old by its times alone. */
  | { kind: 'bytecode-times'; folder: string; files: number; bytes: number }
  /** A filesystem layer in which no file is another: it was built again, and only times differ. */
  | { kind: 'only-times'; diffId: string; bytes: number }
  /** Archives whose contents cannot be compared with the old, since they are compressed. */
  | { kind: 'compressed'; path: string; bytes: number };

const leftBehind = [
  'var/cache/apt',
  'var/lib/apt/lists',
  'var/cache/apk',
  'var/cache/dnf',
  'var/cache/yum',
  'var/cache/debconf',
  'var/log',
  'tmp',
  'var/tmp',
  'root/.cache',
  'root/.npm',
];
const homeCache = /^home\/[^/]+\/\.(?:cache|npm)(?=\/)/;
const compressed = /\.(?:gz|tgz|bz2|xz|zst|zip|whl|jar|deb|rpm|7z)$/;
/** The header of a .pyc holds its source's time and size (PEP 552): 8 bytes. */
const pycTimes = 8;
/** What is less than this share of the bundle is not worth anybody's time. */
const worthwhile = 0.005;

/** What would make the next delta smaller, the most costly first. */
export function adviceOn(bundle: InspectedBundle): Advice[] {
  const layers = new Map(bundle.images.flatMap((image) => image.layers).map((layer) => [layer.diffId, layer]));
  const found: Advice[] = [];
  const folders = new Map<string, Extract<Advice, { folder: string }>>();
  const inFolder = (kind: 'left-behind' | 'bytecode-times', folder: string, bytes: number) => {
    const key = `${kind} ${folder}`;
    const known = folders.get(key) ?? { kind, folder, files: 0, bytes: 0 };
    folders.set(key, { ...known, files: known.files + 1, bytes: known.bytes + bytes });
  };
  for (const layer of layers.values()) {
    if (isRebuilt(layer)) found.push({ kind: 'only-times', diffId: layer.diffId, bytes: layer.bytes });
    for (const file of layer.files ?? []) {
      const folder = leftBehindIn(file.path);
      if (folder !== undefined) inFolder('left-behind', folder, file.bytes);
      else if (differsByTimes(file)) inFolder('bytecode-times', folderAbove(file.path), file.bytes);
      else if (file.change === 'changed' && compressed.test(file.path)) {
        found.push({ kind: 'compressed', path: file.path, bytes: file.bytes });
      }
    }
  }
  return [...found, ...folders.values()]
    .filter(({ kind, bytes }) => kind === 'only-times' || bytes >= worthwhile * bundle.bytes)
    .toSorted((a, b) => b.bytes - a.bytes);
}

function isRebuilt({ kind, files }: InspectedLayer): boolean {
  return (
    kind === 'delta' && files !== undefined && files.length > 0 && files.every(({ change }) => change === 'unchanged')
  );
}

function leftBehindIn(path: string): string | undefined {
  return leftBehind.find((folder) => path.startsWith(`${folder}/`)) ?? homeCache.exec(path)?.[0];
}

function differsByTimes({ path, change, literal, differing }: InspectedFile): boolean {
  return change === 'changed' && path.endsWith('.pyc') && literal === 0 && differing <= pycTimes;
}

/** Where the compiled files of one package or program lie. */
function folderAbove(path: string): string {
  const packages = /^(.*\/(?:site|dist)-packages\/[^/]+)\//.exec(path);
  return packages?.[1] ?? path.replace(/\/__pycache__\/.*$/, '').replace(/\/[^/]*$/, '');
}
