import type { Options } from './open.ts';

/** What an option gives to the layers that declare an ARG of this name. */
export interface OptionArg {
  option: string;
  value: string;
}

/**
 * Build args by the name of their ARG: each option as X and as CONFIG_X. A bool is y or n; a text or a number that
 * .config has no line of is no arg, so that the default of the ARG counts. Lines of .config that Kconfig does not know
 * are args as well, as they were for scripts that passed .config on.
 */
export function optionArgs({
  configuration,
  unknown,
}: Pick<Options, 'configuration' | 'unknown'>): Map<string, OptionArg> {
  const values = new Map(unknown.map(({ name, value }) => [name, value]));
  for (const symbol of configuration.kconfig.defined) {
    const { text, isWritten } = configuration.value(symbol);
    if (symbol.type === 'bool' || isWritten) values.set(symbol.name, text);
  }
  const args = new Map<string, OptionArg>();
  for (const [option, value] of values) args.set(`CONFIG_${option}`, { option, value });
  // An option that is itself called CONFIG_X has its ARG for itself.
  for (const [option, value] of values) args.set(option, { option, value });
  return args;
}
