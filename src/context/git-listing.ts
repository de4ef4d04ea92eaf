import { isAscii, isUtf8 } from 'node:buffer';
import type { FileMode } from '../plan/input.ts';

/** What git knows of one tracked path. */
export const slotState = {
  /** Its bytes are those of the index's blob, its mode is the index's. */
  trusted: 0,
  /** It is there, of the index's kind and mode, but its bytes must be read. */
  unread: 1,
  /** Nothing is certain: it may be gone, or be something else. */
  unknown: 2,
} as const;

// "H 100644 <40 hex> 0\t" stands before each path.
const headBytes = 52;
const slash = 0x2f;
const tab = 0x09;
const dot = 0x2e;
const letterI = 0x69;
const letterS = 0x73;
const attributesName = '.gitattributes';
// Of a mode's six digits the second tells files (100644, 100755), links (120000) and submodules (160000) apart.
const linkDigit = 0x32;
const submoduleDigit = 0x36;
const executableDigit = 0x37;

/**
 * The tracked paths below a folder in git's order (by bytes), as the bytes that `git ls-files -s -v -z` printed:
 * a repository of a million files must not become millions of objects. A tracked path is named by its slot.
 */
export class GitListing {
  readonly count: number;
  readonly states: Uint8Array;
  readonly #bytes: Buffer;
  /** Where each path begins in the bytes; one more at the end, for a path after the last. */
  readonly #starts: Uint32Array;
  /** Paths that are not tracked: files by their folder's path ('' for the root); whole folders. */
  readonly untrackedFiles = new Map<string, string[]>();
  readonly untrackedFolders = new Map<string, string[]>();
  /** Every .gitattributes file, tracked or not. */
  readonly attributesFiles: string[] = [];
  /** Folders with something untracked in them, at any depth. */
  readonly #mixed = new Set<string>();
  /** No path needs a look of its own: all are UTF-8, none lies in a folder .imgbuild. */
  readonly #plainPaths: boolean;
  /** Whether the order of the slots, by bytes, is that of the paths by UTF-16 code units. */
  readonly inPathOrder: boolean;
  /** The bytes as a string, where they are ASCII: a part of a string is made without copying. */
  readonly #text: string | undefined;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const most = Math.ceil(bytes.length / (headBytes + 1));
    const starts = new Uint32Array(most + 1);
    const states = new Uint8Array(most);
    let count = 0;
    let at = 0;
    let ownFolder = false;
    while (at < bytes.length) {
      // Another hash than SHA-1 makes the head longer: nothing of it can be used but the path.
      const plain = bytes[at + headBytes - 1] === tab;
      // 'H', stage 0; lower case is assume-unchanged, 'S' is skip-worktree, 'M' unmerged; 16.... is a submodule.
      const certain =
        plain && bytes[at] === 0x48 && bytes[at + headBytes - 2] === 0x30 && bytes[at + 3] !== submoduleDigit;
      states[count] = certain ? slotState.trusted : slotState.unknown;
      at = plain ? at + headBytes : bytes.indexOf(tab, at) + 1;
      starts[count++] = at;
      for (; bytes[at] !== 0; at++)
        if (bytes[at] === dot && bytes[at + 1] === letterI) ownFolder ||= isOwnFolder(bytes, at);
      if (bytes[at - 1] === letterS && bytes[at - attributesName.length] === dot)
        this.#noteAttributes(starts[count - 1]!, at);
      at++;
    }
    starts[count] = at + (count === 0 ? headBytes : starts[0]!);
    this.count = count;
    this.#starts = starts.subarray(0, count + 1);
    this.states = states.subarray(0, count);
    this.inPathOrder = isAscii(bytes);
    this.#text = this.inPathOrder ? bytes.toString('latin1') : undefined;
    this.#plainPaths = (this.inPathOrder || isUtf8(bytes)) && !ownFolder;
  }

  #noteAttributes(start: number, end: number): void {
    const path = this.#bytes.toString('utf8', start, end);
    if (path === attributesName || path.endsWith(`/${attributesName}`)) this.attributesFiles.push(path);
  }

  /** Takes what `git ls-files -o --directory -z` printed. */
  addUntracked(untracked: Buffer): void {
    for (const path of paths(untracked)) {
      const isFolder = path.endsWith('/');
      const whole = isFolder ? path.slice(0, -1) : path;
      const cut = whole.lastIndexOf('/');
      let parent = cut < 0 ? '' : whole.slice(0, cut);
      if (!isFolder && whole.slice(cut + 1) === attributesName) this.attributesFiles.push(whole);
      const map = isFolder ? this.untrackedFolders : this.untrackedFiles;
      const list = map.get(parent);
      if (list) list.push(whole.slice(cut + 1));
      else map.set(parent, [whole.slice(cut + 1)]);
      while (!this.#mixed.has(parent)) {
        this.#mixed.add(parent);
        parent = parent.slice(0, Math.max(0, parent.lastIndexOf('/')));
      }
    }
  }

  /** Whether a folder on the disk is these slots and nothing else, each with certain content. */
  isPlain(folder: string, first: number, end: number): boolean {
    if (!this.#plainPaths || end <= first || this.#mixed.has(folder)) return false;
    for (let slot = first; slot < end; slot++) if (this.states[slot] !== slotState.trusted) return false;
    return true;
  }

  #end(slot: number): number {
    // Between a path and the next lie a NUL and the next record's head, which is as long as the first record's.
    return this.#starts[slot + 1]! - this.#starts[0]! - 1;
  }

  #pathBytes(slot: number): number {
    return this.#end(slot) - this.#starts[slot]!;
  }

  path(slot: number): string {
    const start = this.#starts[slot]!;
    return this.#text?.slice(start, this.#end(slot)) ?? this.#bytes.toString('utf8', start, this.#end(slot));
  }

  /** As the index says; not for submodules. */
  mode(slot: number): FileMode {
    if (this.isLink(slot)) return '120000';
    // 100644 or 100755.
    return this.#bytes[this.#starts[slot]! - headBytes + 5] === executableDigit ? '100755' : '100644';
  }

  hash(slot: number): string {
    const start = this.#starts[slot]! - headBytes + 9;
    return this.#text?.slice(start, start + 40) ?? this.#bytes.toString('latin1', start, start + 40);
  }

  /** The first slot whose path is not before `path`, by bytes. */
  #lowerBound(path: Buffer): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bytes.compare(path, 0, path.length, this.#starts[middle]!, this.#end(middle)) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Every slot of this path: several when it is unmerged. */
  slotsOf(path: Buffer): [first: number, end: number] {
    const first = this.#lowerBound(path);
    let end = first;
    while (end < this.count && this.#bytes.compare(path, 0, path.length, this.#starts[end]!, this.#end(end)) === 0)
      end++;
    return [first, end];
  }

  /** The slots below a folder; '' is the root. */
  below(folder: string): [first: number, end: number] {
    if (folder === '') return [0, this.count];
    const prefix = Buffer.from(`${folder}/`);
    const first = this.#lowerBound(prefix);
    return [first, this.#groupEnd(first, 0, prefix)];
  }

  /** The first slot from `first` on whose path has not `part` at `offset`. All paths up to there share it. */
  #groupEnd(first: number, offset: number, part: Buffer): number {
    const has = (slot: number): boolean => {
      const start = this.#starts[slot]! + offset;
      const end = start + part.length;
      return end <= this.#end(slot) && this.#bytes.compare(part, 0, part.length, start, end) === 0;
    };
    if (first >= this.count || !has(first)) return first;
    let step = 1;
    let low = first;
    while (low + step < this.count && has(low + step)) {
      low += step;
      step *= 2;
    }
    let high = Math.min(low + step, this.count);
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (has(middle)) low = middle;
      else high = middle;
    }
    return high;
  }

  /**
   * The direct children among the slots of a folder whose path takes `offset` bytes with its slash: a file has one
   * slot (the first of several when unmerged) and `folder` false, a folder has all slots below it.
   */
  children(
    first: number,
    end: number,
    offset: number,
    found: (name: string, first: number, end: number, folder: boolean) => void,
  ): void {
    for (let slot = first; slot < end;) {
      const start = this.#starts[slot]! + offset;
      const stop = this.#end(slot);
      let at = start;
      while (at < stop && this.#bytes[at] !== slash) at++;
      const name = this.#bytes.toString('utf8', start, at);
      if (at < stop) {
        const next = Math.min(end, this.#groupEnd(slot, offset, this.#bytes.subarray(start, at + 1)));
        found(name, slot, next, true);
        slot = next;
        continue;
      }
      let next = slot + 1;
      if (this.states[slot] === slotState.unknown) {
        const whole = this.#bytes.subarray(start, stop);
        while (
          next < end &&
          this.#pathBytes(next) === this.#pathBytes(slot) &&
          this.#groupEnd(next, offset, whole) > next
        )
          next++;
      }
      found(name, slot, next, false);
      slot = next;
    }
  }

  markUnknown(path: Buffer): void {
    const [first, end] = this.slotsOf(path);
    this.states.fill(slotState.unknown, first, end);
  }

  /** All that is trusted and not in `safe` (paths in git's order) must be read. */
  keepTrusted(safe: Buffer): void {
    let from = 0;
    for (let slot = 0; slot < this.count; slot++) {
      const length = this.#end(slot) - this.#starts[slot]!;
      const listed =
        from + length < safe.length &&
        safe[from + length] === 0 &&
        safe.compare(this.#bytes, this.#starts[slot]!, this.#end(slot), from, from + length) === 0;
      if (listed) {
        // Unmerged paths have several slots and are listed as often.
        from += length + 1;
      } else if (this.states[slot] === slotState.trusted && !this.isLink(slot)) this.states[slot] = slotState.unread;
    }
  }

  isLink(slot: number): boolean {
    return this.#bytes[this.#starts[slot]! - headBytes + 3] === linkDigit;
  }
}

const ownName = Buffer.from('.imgbuild/');

/** Whether a folder .imgbuild stands at `at`. */
function isOwnFolder(bytes: Buffer, at: number): boolean {
  const before = bytes[at - 1];
  return (before === slash || before === tab) && ownName.compare(bytes, at, at + ownName.length) === 0;
}

function* paths(bytes: Buffer): Generator<string> {
  for (let from = 0, at = bytes.indexOf(0); at >= 0; from = at + 1, at = bytes.indexOf(0, from)) {
    yield bytes.toString('utf8', from, at);
  }
}
