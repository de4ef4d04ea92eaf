import { Failure, type SourceLocation } from '../failure.ts';
import { selectors } from './assign.ts';
import type { Configuration } from './configuration.ts';
import { readConfig, type UnknownOption } from './dot-config.ts';
import { expressionText } from './expression.ts';
import { wrong, type Problem } from './lines.ts';
import { readKconfig } from './read.ts';
import { sourcesBelow } from './sources.ts';

/** `root` is absolute; the files are relative to it, POSIX. */
export interface OptionFiles {
  root: string;
  kconfig: string;
  config: string;
}

/** The options of a repository as they are set now. */
export interface Options {
  files: OptionFiles;
  configuration: Configuration;
  unknown: UnknownOption[];
  problems: Problem[];
  /** Of .config; without it, what Kconfig says by default counts. */
  text: string | undefined;
}

/** Throws a Failure; `at` says where the files are named, for those that cannot be read. */
export function openOptions(files: OptionFiles, at: SourceLocation): Options {
  const read = sourcesBelow(files.root);
  if (read(files.kconfig).kind === 'missing') {
    throw wrong(at, `there is no file ${files.kconfig}`, 'write the path of the Kconfig file');
  }
  const kconfig = readKconfig(files.kconfig, read);
  const source = read(files.config);
  if (source.kind === 'outside') {
    throw wrong(at, `${files.config} leaves the repository's root`, 'write a path below it');
  }
  if (source.kind === 'unreadable') {
    throw wrong(
      at,
      `${files.config} cannot be read: ${source.because}`,
      'save it as a UTF-8 text that can be read, or remove it',
    );
  }
  const text = source.kind === 'file' ? source.text : undefined;
  const { problems, ...rest } = readConfig(text ?? '', files.config, kconfig);
  return {
    files,
    ...rest,
    problems: [...kconfig.problems, ...problems, ...selectProblems(rest.configuration)],
    text,
  };
}

/** What is on although what it depends on is off: select does not look at that. */
function selectProblems(configuration: Configuration): Problem[] {
  return configuration.kconfig.defined.flatMap((symbol) => {
    const { reverse, direct, choice, name } = symbol;
    if (choice || !reverse || !direct || configuration.tri(reverse) === 0 || configuration.tri(direct) > 0) return [];
    const by = selectors(configuration, symbol)[0]?.name ?? 'another';
    const because = `${by} selects ${name}, which depends on ${expressionText(direct)}, and that does not hold`;
    return [{ because, fix: `let ${by} depend on it as well`, at: symbol.nodes[0]!.at }];
  });
}

/** As one line for people. */
export function problemText({ at, because, fix }: Problem): string {
  return `${at.file}:${at.line}:${at.column}: ${because}${fix === undefined ? '' : ` (${fix})`}`;
}

/** Reads another file of values, such as a defconfig, in place of .config. Throws a Failure when it is not there. */
export function readValues(
  { files, configuration }: Options,
  path: string,
): Pick<Options, 'configuration' | 'unknown' | 'problems'> {
  const source = sourcesBelow(files.root)(path);
  if (source.kind === 'file') return readConfig(source.text, source.path, configuration.kconfig);
  const because =
    source.kind === 'missing'
      ? 'there is no such file'
      : source.kind === 'outside'
        ? "it is outside the repository's root"
        : source.because;
  throw new Failure({
    doing: `reading ${path}`,
    because,
    fix: 'write the path of a defconfig, relative to the folder of imgbuild.yaml',
    kind: 'input',
  });
}
