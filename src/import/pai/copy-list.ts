import { posix } from 'node:path';
import type { Failure } from '../../failure.ts';
import type { Disk } from '../disk.ts';
import type { CopyListEntry } from './image-yaml.ts';
import { wrongIn } from '../place.ts';

/**
 * What an entry means whose dst is not there. `cp`: as the page of pai-build says, `cp -r src dst`. `into`: as paictl.py
 * ran it, `mkdir -p dst` in front of that.
 */
export type CopyReading = 'cp' | 'into';

/** `src` relative to the root, `dst` to the component's folder: what becomes of the source itself. */
export interface ResolvedCopy {
  src: string;
  dst: string;
  entry: CopyListEntry;
  /** Whether dst was not there: the two readings differ. */
  depends: boolean;
}

interface Where {
  disk: Disk;
  /** The folder in which paictl.py ran, relative to the root. */
  cwd: string;
  /** The component's folder, relative to the root. */
  component: string;
  reading: CopyReading;
}

/** The last part of a path, without slashes behind it, as cp sees it. */
function lastPart(path: string): string {
  return /([^/]+)\/*$/.exec(path)?.[1] ?? '/';
}

/** Where `cp -r` puts each entry, one after the other. What cp would refuse, and what leaves the tree, is a failure. */
export function resolveCopies(
  entries: readonly CopyListEntry[],
  where: Where,
): { copies: ResolvedCopy[]; failures: Failure[] } {
  const copies: ResolvedCopy[] = [];
  const failures: Failure[] = [];
  const made = new Set<string>();
  /** What stands there once the entries before were copied. */
  const kind = (path: string): 'file' | 'folder' | undefined => {
    for (const { src, dst } of copies.toReversed()) {
      const target = posix.join(where.component, dst);
      if (path !== target && !path.startsWith(`${target}/`)) continue;
      const found = where.disk.kind(posix.join(src, path.slice(target.length)));
      if (found) return found;
    }
    return where.disk.kind(path) ?? (made.has(path) ? 'folder' : undefined);
  };
  for (const entry of entries) {
    const resolved = resolveCopy(entry, where, kind, made);
    if (Array.isArray(resolved)) failures.push(wrongIn(...resolved));
    else copies.push(resolved);
  }
  return { copies, failures };
}

type Refusal = Parameters<typeof wrongIn>;

function resolveCopy(
  entry: CopyListEntry,
  { disk, cwd, component, reading }: Where,
  kind: (path: string) => 'file' | 'folder' | undefined,
  made: Set<string>,
): ResolvedCopy | Refusal {
  const { src, dst } = entry;
  for (const { text, at } of [src, dst]) {
    if (/["'$`\\*?[\0]/.test(text) || text.startsWith('/') || text.startsWith('~')) {
      return [at, `${JSON.stringify(text)} is no plain relative path`, `write it relative to ${cwd}`];
    }
  }
  let from = posix.join(cwd, src.text).replace(/(.)\/$/, '$1');
  if (leaves(from)) {
    return [src.at, `${src.text} leaves the tree`, 'put imgbuild.yaml into a folder that has it too, or move it'];
  }
  const asLink = !/\/\.?$/.test(src.text) && disk.isLink(from);
  // A link is copied as one; with a slash behind it, it means what it leads to.
  const sourceKind = asLink ? 'file' : kind(from);
  if (!sourceKind) return [src.at, `there is no ${from}`, 'make it, or mend src'];
  if (/\/\.?$/.test(src.text) && disk.kind(from)) {
    const real = disk.real(from);
    if (real === undefined) return [src.at, `${src.text} is a link that leaves the tree`, 'copy what it leads to'];
    from = real;
    if (sourceKind === 'file') return [src.at, `${src.text} is no folder`, 'write it without the slash'];
  }
  let to = posix.join(cwd, dst.text).replace(/(.)\/$/, '$1');
  if (to !== component && !to.startsWith(`${component}/`)) {
    const fix = `write dst: ${posix.join(posix.relative(cwd, component), 'copied_file')}`;
    return [dst.at, `${dst.text} is not in the folder of the component, ${component}`, fix];
  }
  let there = kind(to);
  const depends = there === undefined;
  if (there === undefined && (reading === 'into' || entry.into)) {
    for (let folder = to; folder !== component; folder = posix.dirname(folder)) made.add(folder);
    there = 'folder';
  }
  if (there === 'folder') {
    const name = lastPart(src.text);
    if (name !== '.' && name !== '..') to = posix.join(to, name);
  } else if (there === undefined) {
    const parent = posix.dirname(to);
    if (kind(parent) !== 'folder') return [dst.at, `there is no folder ${parent}`, 'make it, or mend dst'];
    if (sourceKind === 'file' && dst.text.endsWith('/')) {
      return [dst.at, `${dst.text} is no folder, and ${src.text} is a file`, 'write it without the slash'];
    }
  } else if (sourceKind === 'folder' || dst.text.endsWith('/')) {
    return [dst.at, `${dst.text} is a file, and cannot become a folder`, 'write another dst'];
  }
  if (sourceKind === 'folder' && (to === from || from === '.' || to.startsWith(`${from}/`))) {
    return [src.at, `${src.text} would be copied into itself, to ${to}`, 'copy what is needed of it'];
  }
  return { src: from, dst: posix.relative(component, to) || '.', entry, depends };
}

function leaves(path: string): boolean {
  return path === '..' || path.startsWith('../');
}

/** Whether a Dockerfile takes files from where only one of the two readings has them: below dst, by the source's name. */
export function expectsInto(dockerfile: string, copies: readonly ResolvedCopy[], disk: Disk): boolean {
  const sources = dockerfile.split('\n').flatMap((line) => {
    const words = /^\s*(?:COPY|ADD)\s+(.*)$/i.exec(line)?.[1]!.split(/[\s,"[\]]+/) ?? [];
    return words.filter((word) => word !== '' && !word.startsWith('--')).map((word) => posix.normalize(word));
  });
  return copies.some(({ src, dst, depends, entry }) => {
    if (!depends || entry.into) return false;
    const name = lastPart(entry.src.text);
    if (name === '.' || name === '..' || disk.kind(posix.join(src, name))) return false;
    const wanted = posix.join(dst, name);
    return sources.some((path) => path === wanted || path === `${wanted}/` || path.startsWith(`${wanted}/`));
  });
}
