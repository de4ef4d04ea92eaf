import type { DeltaFormat } from './bundle/format.ts';
import type { InspectedBundle, InspectedFile, InspectedLayer } from './inspected.ts';

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

/** What advice looks at. */
interface AdvisedLayer {
  diffId: string;
  kind: InspectedLayer['kind'];
  format?: DeltaFormat;
  bytes: number;
  files?: readonly AdvisedFile[];
}

type AdvisedFile = Pick<InspectedFile, 'path' | 'change' | 'bytes' | 'literal' | 'differing'>;

/** What would make the next delta smaller, the most costly first. */
export function adviceOn(bundle: InspectedBundle): Advice[] {
  const layers = new Map(bundle.images.flatMap((image) => image.layers).map((layer) => [layer.diffId, layer]));
  const found = [...layers.values()].flatMap((layer) => layer.advice ?? adviceInLayer(layer));
  return joined(found).filter(({ kind, bytes }) => kind === 'only-times' || bytes >= worthwhile * bundle.bytes);
}

/** What would make one filesystem layer smaller, the most costly first: all of it, however little. */
export function adviceInLayer(layer: AdvisedLayer): Advice[] {
  const found: Advice[] = [];
  if (isRebuilt(layer)) found.push({ kind: 'only-times', diffId: layer.diffId, bytes: layer.bytes });
  for (const file of layer.files ?? []) {
    const { path, bytes } = file;
    const folder = leftBehindIn(path);
    if (folder !== undefined) found.push({ kind: 'left-behind', folder, files: 1, bytes });
    else if (differsByTimes(file)) found.push({ kind: 'bytecode-times', folder: folderAbove(path), files: 1, bytes });
    else if (file.change === 'changed' && compressed.test(path)) found.push({ kind: 'compressed', path, bytes });
  }
  return joined(found);
}

/** What concerns one folder is one word of advice. */
function joined(all: readonly Advice[]): Advice[] {
  const single: Advice[] = [];
  const folders = new Map<string, Extract<Advice, { folder: string }>>();
  for (const advice of all) {
    if (advice.kind === 'left-behind' || advice.kind === 'bytecode-times') {
      const key = `${advice.kind} ${advice.folder}`;
      const { files = 0, bytes = 0 } = folders.get(key) ?? {};
      folders.set(key, { ...advice, files: files + advice.files, bytes: bytes + advice.bytes });
    } else single.push(advice);
  }
  return [...single, ...folders.values()].toSorted((a, b) => b.bytes - a.bytes);
}

/** A tar-diff has all headers: whether they changed isn't known. */
function isRebuilt({ kind, format, files = [] }: AdvisedLayer): boolean {
  const isSame = files.every(({ change }) => change === 'unchanged' || change === 'header-only');
  const isKnown = format === 'imgbuild' ? files.some(({ change }) => change === 'header-only') : files.length > 0;
  return kind === 'delta' && isSame && isKnown;
}

function leftBehindIn(path: string): string | undefined {
  return leftBehind.find((folder) => path.startsWith(`${folder}/`)) ?? homeCache.exec(path)?.[0];
}

function differsByTimes({ path, change, literal = 0, differing = Infinity }: AdvisedFile): boolean {
  return change === 'changed' && path.endsWith('.pyc') && literal === 0 && differing <= pycTimes;
}

/** Where the compiled files of one package or program lie. */
function folderAbove(path: string): string {
  const packages = /^(.*\/(?:site|dist)-packages\/[^/]+)\//.exec(path);
  return packages?.[1] ?? path.replace(/\/__pycache__\/.*$/, '').replace(/\/[^/]*$/, '');
}
