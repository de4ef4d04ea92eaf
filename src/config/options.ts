import * as z from 'zod';
import { Failure } from '../failure.ts';
import { optionArgs, type OptionArg } from '../kconfig/build-args.ts';
import { openOptions, problemText } from '../kconfig/open.ts';
import type { Config } from './config.ts';
import { wrongAt } from './issues.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

/** `options:` as the file has it. Paths are relative to the root. */
export interface OptionPaths {
  kconfig: string;
  config: string;
}

/** What the options come to now. */
export interface ConfigOptions extends OptionPaths {
  /** By the name of the ARG that gets it. */
  args: ReadonlyMap<string, OptionArg>;
  /** What is odd in these files, as lines for people. */
  warnings: string[];
}

const filePath = (value: string) => {
  const path = parsePath(value);
  if (path === '.') throw new Wrong('this is the root itself', 'write the path of a file');
  return path;
};

export const optionsSchema = z
  .strictObject({
    kconfig: text(
      { description: "The first Kconfig file, relative to the repository's root.", examples: ['Kconfig'] },
      filePath,
    ),
    config: text(
      {
        description: 'Where the values are kept; without the file, the defaults count. Default: .config.',
        examples: ['.config'],
      },
      filePath,
    ).default('.config'),
  })
  .meta({
    description: 'Options as Kconfig describes them: each reaches the layers that declare ARG X or ARG CONFIG_X.',
    examples: ['{ kconfig: Kconfig }'],
  });

/** The values that hold now, and what stands against them: files that cannot be read, args that are options too. */
export function resolveOptions(
  { root, args, locate }: Config,
  paths: OptionPaths,
  file: string,
): { options?: ConfigOptions; failures: Failure[] } {
  try {
    const opened = openOptions({ root, ...paths }, locate(['options']));
    const given = optionArgs(opened);
    const options = { ...paths, args: given, warnings: opened.problems.map(problemText) };
    const failures = Object.keys(args).flatMap((name) => {
      const option = given.get(name)?.option;
      if (option === undefined) return [];
      const because = `${name} is an option of ${paths.kconfig} already`;
      const fix = `take it out here, and write \`imgbuild options set ${option}=${args[name]}\``;
      return [wrongAt(file, locate(['args', name], 'key'), because, fix)];
    });
    return { options, failures };
  } catch (error) {
    if (error instanceof Failure) return { failures: [error] };
    throw error;
  }
}
