import type { Digest } from '../../oci/digest.ts';

/** Told of each entry of a tar; what it returns is told of the contents. */
export type EntryTap = (path: string, isFile: boolean, size: number) => ((chunk: Uint8Array) => void) | undefined;

/** What one filesystem layer has of package managers' own lists, and what it hides of those below. */
interface LayerLists {
  files: Map<string, Buffer[]>;
  /** Paths without the whiteout's prefix. */
  hidden: string[];
  /** Folders of which nothing below shows. */
  opaque: string[];
}

/** Lists of a thousand Debian packages have 8 MB, those of a large Python tree 20 MB. In bytes, of all together. */
const limit = 64 * 1024 * 1024;

const whiteout = '.wh.';
const opaque = '.wh..wh..opq';
/** dpkg's (also as distroless images have it), and what installers of Python packages leave (PEP 376, PEP 627). */
const isList =
  /^var\/lib\/dpkg\/(?:status$|info\/[^/]+\.list$|status\.d\/[^/]+$)|\.dist-info\/RECORD$|\.egg-info\/(?:installed-files|top_level)\.txt$/;

/** Gathers the lists by which package managers know their files, while filesystem layers are read for something else. */
export class PackageLists {
  readonly #layers = new Map<Digest, LayerLists>();
  #bytes = 0;
  #isWhole = true;

  tap(diffId: Digest): EntryTap {
    const lists: LayerLists = { files: new Map(), hidden: [], opaque: [] };
    this.#layers.set(diffId, lists);
    return (path, isFile, size) => {
      const slash = path.lastIndexOf('/');
      const name = path.slice(slash + 1);
      if (name === opaque) lists.opaque.push(path.slice(0, Math.max(0, slash)));
      else if (name.startsWith(whiteout)) lists.hidden.push(path.slice(0, slash + 1) + name.slice(whiteout.length));
      if (!isFile || !isList.test(path)) return undefined;
      this.#bytes += size;
      if (this.#bytes > limit) {
        this.#isWhole = false;
        return undefined;
      }
      const parts: Buffer[] = [];
      lists.files.set(path, parts);
      return (chunk) => void parts.push(Buffer.from(chunk));
    };
  }

  /**
   * Those that show in an image of these filesystem layers, from the lowest up. Undefined where one of them was not
   * read, or where there was more than is held in memory.
   */
  visible(diffIds: readonly Digest[]): Map<string, Buffer> | undefined {
    if (!this.#isWhole) return undefined;
    const found = new Map<string, Buffer>();
    const hide = (isHidden: (path: string) => boolean) => {
      for (const path of found.keys()) if (isHidden(path)) found.delete(path);
    };
    for (const diffId of diffIds) {
      const lists = this.#layers.get(diffId);
      if (lists === undefined) return undefined;
      const folders = lists.opaque.map((folder) => (folder === '' ? '' : `${folder}/`));
      if (folders.length > 0) hide((path) => folders.some((folder) => path.startsWith(folder)));
      const hidden = new Set(lists.hidden);
      if (hidden.size > 0) hide((path) => withParents(path).some((each) => hidden.has(each)));
      for (const [path, parts] of lists.files) found.set(path, Buffer.concat(parts));
    }
    return found;
  }
}

/** A path and all folders that it is in. */
export function withParents(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}
