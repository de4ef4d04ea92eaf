import type { PlatformName } from '../oci/platform.ts';

/**
 * One line of a layer's input manifest: something that decides what the build makes. The fingerprint is the sha256
 * over the list (docs/fingerprints.md).
 */
export type Input =
  /** `stage` is the index within the needed stages, `seq` the instruction's place in it; `text` is normalised. */
  | { kind: 'instruction'; stage: number; seq: number; text: string; heredocs?: string[] }
  | { kind: 'directive'; name: 'syntax' | 'escape'; value: string }
  | { kind: 'arg'; stage: number | 'global'; name: string; value: string | null }
  | FileInput
  | { kind: 'base'; reference: string; digest: string }
  | { kind: 'parent'; layer: string; reference: string; fingerprint: string }
  | { kind: 'onbuild'; of: string; seq: number; text: string }
  | { kind: 'platform'; value: PlatformName }
  | { kind: 'target'; value: string }
  | { kind: 'mount'; type: string; id: string; text: string }
  | { kind: 'label'; name: string; value: string }
  | { kind: 'epoch'; value: string }
  | { kind: 'remote'; url: string; checksum: string | null }
  | { kind: 'tool'; name: string; version: string }
  /** A file of the packages folder: `path` is relative to that; `mode` where the build sees it. */
  | { kind: 'package'; path: string; sha256: string; mode?: '100644' | '100755' }
  /** A file that `prepare:` reads: `path` is relative to the root. */
  | { kind: 'prepare-file'; path: string; mode: FileMode; hash: string }
  /** What `prepare:` runs and makes; `env` are sums of the values that count. */
  | { kind: 'prepare'; run: string[]; outputs: string[]; env: string[] };

/** All that is no file. */
export type OtherInput = Exclude<Input, FileInput>;

export interface FileInput {
  kind: 'file';
  /** Relative to the context. */
  path: string;
  mode: FileMode;
  /** git's blob id. */
  hash: string;
}

/** git's modes: file, executable, symbolic link, folder (only empty folders are listed). */
export type FileMode = '100644' | '100755' | '120000' | '040000';

/** What a JSON string holds as it is; all else is escaped, also lone surrogates. RFC 8259, section 7. */
const plain = /^[ !#-[\]-\uD7FF\uE000-\uFFFF]*$/;

/** A chain has hundreds of thousands of files: their lines are put together by hand. */
function fileLine({ hash, mode, path }: Omit<FileInput, 'kind'>): string {
  const quoted = plain.test(path) ? `"${path}"` : JSON.stringify(path);
  return `{"hash":"${hash}","kind":"file","mode":"${mode}","path":${quoted}}`;
}

/** One line of the input manifest: JSON with sorted keys, so that equal inputs are equal bytes. */
export function inputLine(input: Input): string {
  return input.kind === 'file' ? fileLine(input) : JSON.stringify(input, Object.keys(input).toSorted());
}

/**
 * The input manifest in blocks of about 64 KiB: one line an input, each ended by a newline; first all but files, by
 * UTF-16 code units and each once, then `files` in the order of their paths, as a context gives them.
 */
export function* manifestText(
  others: readonly OtherInput[],
  files: Iterable<Omit<FileInput, 'kind'>>,
): Generator<string> {
  let block = [...new Set(others.map(inputLine))]
    .toSorted()
    .map((line) => `${line}\n`)
    .join('');
  for (const file of files) {
    block += `${fileLine(file)}\n`;
    if (block.length < 1 << 16) continue;
    yield block;
    block = '';
  }
  yield block;
}
