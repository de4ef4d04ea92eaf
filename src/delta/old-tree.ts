import type { SourceLayer } from '../image-source/image.ts';
import type { Digest } from '../oci/digest.ts';
import { locateEntries, type LocatedEntry } from './locate-entries.ts';
import type { PackageLists } from './packages/package-lists.ts';

/** A regular file of the old image, as a reader of its whole tree sees it. */
export interface OldFile {
  path: string;
  size: number;
  /** sha256, in any form that both sides have. */
  hash: string;
}

/** An entry of any old filesystem layer, whether a higher one hides it or not. */
export interface OldEntry extends LocatedEntry {
  layer: Digest;
  /** Its place among all of them: the next one of the same tar follows. */
  number: number;
}

export interface OldImage {
  /** Of filesystem layers from the lowest up, each once. */
  entries: OldEntry[];
  /** The regular files that a reader of the whole tree sees: only these can be read from an extracted tree. */
  visible: OldEntry[];
}

/** `undefined`: no regular file, or one that cannot be a source. */
interface Node {
  file: OldEntry | undefined;
  children: Map<string, Node> | undefined;
}

const emptyNode = (): Node => ({ file: undefined, children: undefined });

const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/**
 * Every entry of an image, and every regular file after all of its filesystem layers: later ones replace and whiteouts
 * hide (OCI image spec, layer.md). Reads and checks every filesystem layer once; memory is a few hundred bytes for each
 * entry. `lists` gathers what package managers say.
 */
export async function readOldImage(
  layers: SourceLayer[],
  onBytes: (bytes: number) => void,
  lists?: PackageLists,
): Promise<OldImage> {
  const root = emptyNode();
  const entries: OldEntry[] = [];
  const seen = new Set<Digest>();
  for (const layer of layers) {
    await addLayer(root, layer, seen.has(layer.diffId) ? [] : entries, onBytes, lists);
    seen.add(layer.diffId);
  }
  const visible: OldEntry[] = [];
  const visit = (node: Node) => {
    if (node.file) visible.push(node.file);
    for (const child of node.children?.values() ?? []) visit(child);
  };
  visit(root);
  return { entries, visible };
}

async function addLayer(
  root: Node,
  layer: SourceLayer,
  entries: OldEntry[],
  onBytes: (bytes: number) => void,
  lists: PackageLists | undefined,
): Promise<void> {
  const added: OldEntry[] = [];
  const onEntry = (entry: LocatedEntry, isInTree: boolean) => {
    const old: OldEntry = { ...entry, layer: layer.diffId, number: entries.length };
    entries.push(old);
    if (!isInTree) return;
    const [folder, name] = partsOf(entry.path);
    if (name === opaque) clear(root, folder);
    else if (name.startsWith(whiteout)) remove(root, folder, name.slice(whiteout.length));
    else added.push(old);
  };
  await locateEntries(counted(layer.tar(), onBytes), onEntry, lists?.tap(layer.diffId));
  // Whiteouts hide what is below this filesystem layer, never what is in it, wherever they stand.
  putAll(root, added);
}

/** The folder, '' at the top, and the name in it. */
function partsOf(path: string): [folder: string, name: string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}

async function* counted(source: AsyncIterable<Buffer>, onBytes: (bytes: number) => void) {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}

function putAll(root: Node, entries: readonly OldEntry[]): void {
  let last: { folder: string; node: Node } | undefined;
  for (const entry of entries) {
    const [folder, name] = partsOf(entry.path);
    // Neighbours mostly have one folder.
    if (last?.folder !== folder) last = { folder, node: makeFolder(root, folder) };
    const { children } = last.node;
    const child = children!.get(name);
    if (entry.type === 'directory') {
      if (child !== undefined) becomeFolder(child);
      else children!.set(name, becomeFolder(emptyNode()));
    } else children!.set(name, { file: entry.plain && entry.size > 0 ? entry : undefined, children: undefined });
  }
}

/** Whatever is no folder and has something below it now is hidden by the folder that holds it. */
function makeFolder(root: Node, folder: string): Node {
  let node = becomeFolder(root);
  for (const part of folder === '' ? [] : folder.split('/')) {
    let child = node.children!.get(part);
    if (child === undefined) node.children!.set(part, (child = emptyNode()));
    node = becomeFolder(child);
  }
  return node;
}

function becomeFolder(node: Node): Node {
  node.file = undefined;
  node.children ??= new Map();
  return node;
}

function find(root: Node, folder: string): Node | undefined {
  let node: Node | undefined = root;
  for (const part of folder === '' ? [] : folder.split('/')) node = node?.children?.get(part);
  return node;
}

function clear(root: Node, folder: string): void {
  find(root, folder)?.children?.clear();
}

function remove(root: Node, folder: string, name: string): void {
  find(root, folder)?.children?.delete(name);
}

/** What of an old file a new one may be made from. */
export type Source<File extends OldFile = OldFile> =
  /** Byte for byte the same; `moved` says that it has another path. */
  | { kind: 'same'; old: File; moved: boolean }
  /** Named alike; the bytes differ. */
  | { kind: 'similar'; old: File }
  | { kind: 'none' };

export interface SourceIndex<File extends OldFile = OldFile> {
  sourceOf(file: OldFile): Source<File>;
}

/** Candidates of one name that are looked at, the nearest in size. */
const candidates = 16;
/** Files below this size are compared whatever their sizes; above, one may be ten times the other. */
const smallSize = 64 * 1024;

/**
 * Chooses sources: the same bytes anywhere, the same path, the same name but for its version, in this order. `wanted`: the
 * files that sources are looked for. Memory: by name, only old files that may be one are indexed.
 */
export function indexSources<File extends OldFile>(
  files: readonly File[],
  wanted: Iterable<OldFile>,
): SourceIndex<File> {
  const byHash = new Map<string, File>();
  const byPath = new Map<string, File>();
  for (const file of files) {
    byPath.set(file.path, file);
    const known = byHash.get(file.hash);
    // The shortest path of several with the same bytes: a choice that does not depend on the order of the tree.
    if (known === undefined || shorter(file.path, known.path)) byHash.set(file.hash, file);
  }
  const byKey = new Map<string, File[]>();
  for (const file of wanted) {
    if (byHash.has(file.hash) || resembles(byPath.get(file.path), file)) continue;
    for (const key of keysOf(file.path)) byKey.set(key, []);
  }
  if (byKey.size > 0) for (const file of files) for (const key of keysOf(file.path)) byKey.get(key)?.push(file);
  for (const list of byKey.values()) list.sort((a, b) => a.size - b.size || (a.path < b.path ? -1 : 1));

  return {
    sourceOf(file) {
      const here = byPath.get(file.path);
      if (here !== undefined && here.hash === file.hash) return { kind: 'same', old: here, moved: false };
      const same = byHash.get(file.hash);
      if (same !== undefined && same.size === file.size) return { kind: 'same', old: same, moved: true };
      if (resembles(here, file)) return { kind: 'similar', old: here };
      for (const key of keysOf(file.path)) {
        const old = nearest(byKey.get(key) ?? [], file);
        if (old !== undefined) return { kind: 'similar', old };
      }
      return { kind: 'none' };
    },
  };
}

/** Whether a new file resembles the old one of its path: no other is looked for then. */
export function resembles<File extends { size: number }>(old: File | undefined, file: { size: number }): old is File {
  return old !== undefined && similarSize(old.size, file.size);
}

/** Under what a file is found again: its path, its name, its path and its name without versions. */
export function keysOf(path: string): string[] {
  const slash = path.lastIndexOf('/');
  const [folder, name] = [path.slice(0, slash + 1), path.slice(slash + 1)];
  const stemOfName = knownStem(name);
  return [`path ${knownStem(folder)}${stemOfName}`, `name ${name}`, `stem ${stemOfName}`];
}

/** Many files have one folder or one name, and no part of a path changes what the next one becomes. */
const stems = new Map<string, string>();
const stemsMost = 4096;

function knownStem(part: string): string {
  const known = stems.get(part);
  if (known !== undefined) return known;
  if (stems.size === stemsMost) stems.clear();
  const made = stem(part);
  stems.set(part, made);
  return made;
}

/** Names of pre-releases, revisions and builds between the numbers of a version: `1.0rc1`, `2.4.0.post1`, `1.1+dfsg-2~deb12u1`. */
const tags = 'a|b|c|r|p|v|u|g|rc|pre|alpha|beta|post|dev|rev|git|dfsg|ds|deb|bpo|ubuntu|build';
const version = new RegExp(`#(?:[.+~:_-]?(?:${tags})?[.+~:_-]?#|[.+~_-](?:dfsg|ds|git)(?![a-z]))+`, 'g');

/**
 * `libfoo.so.1.2` and `libfoo.so.1.3.1` have one stem, as have `Pkg_Name-1.0.dist-info/RECORD` and
 * `pkg-name-1.1rc2.dist-info/RECORD` (PEP 503: names differ neither by case nor by which of `-_.` they have).
 */
function stem(name: string): string {
  return name
    .toLowerCase()
    .replace(/(?<![0-9a-z])[0-9a-f]{8,}(?![0-9a-z])/g, '#')
    .replace(/[0-9]+/g, '#')
    .replace(version, '#')
    .replace(/[-_.]+/g, '-');
}

function nearest<File extends OldFile>(bySize: readonly File[], file: OldFile): File | undefined {
  let low = 0;
  let high = bySize.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bySize[middle]!.size < file.size) low = middle + 1;
    else high = middle;
  }
  let best: File | undefined;
  let bestScore = -1;
  const from = Math.max(0, low - candidates / 2);
  for (const old of bySize.slice(from, from + candidates)) {
    if (!similarSize(old.size, file.size)) continue;
    const score = sharedEnds(old.path, file.path);
    const closer = best !== undefined && Math.abs(old.size - file.size) < Math.abs(best.size - file.size);
    if (score > bestScore || (score === bestScore && closer)) {
      best = old;
      bestScore = score;
    }
  }
  return best;
}

/** How many parts two paths share at their ends. */
function sharedEnds(a: string, b: string): number {
  const left = a.split('/');
  const right = b.split('/');
  let front = 0;
  while (front < left.length && left[front] === right[front]) front++;
  let back = 0;
  while (back < left.length && left.at(-1 - back) === right.at(-1 - back) && right.length > back) back++;
  return front + 2 * back;
}

export function similarSize(a: number, b: number): boolean {
  if (a < smallSize && b < smallSize) return true;
  return a < 10 * b && b < 10 * a;
}

function shorter(a: string, b: string): boolean {
  return a.length < b.length || (a.length === b.length && a < b);
}
