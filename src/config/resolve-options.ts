import { Failure } from '../failure.ts';
import { optionArgs } from '../kconfig/build-args.ts';
import { openOptions, problemText } from '../kconfig/open.ts';
import type { Config } from './config.ts';
import { wrongAt } from './issues.ts';
import type { ConfigOptions, OptionPaths } from './options.ts';

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
