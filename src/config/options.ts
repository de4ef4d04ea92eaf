import * as z from 'zod';
import type { OptionArg } from '../kconfig/build-args.ts';
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
