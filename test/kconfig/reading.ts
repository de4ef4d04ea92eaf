import { Failure, type SourceLocation } from '../../src/failure.ts';
import { Configuration } from '../../src/kconfig/configuration.ts';
import { readConfig } from '../../src/kconfig/dot-config.ts';
import { readKconfig } from '../../src/kconfig/read.ts';
import type { Kconfig } from '../../src/kconfig/tree.ts';
import { configText, minimalText } from '../../src/kconfig/write-config.ts';
import { sourcesOf } from './compare.ts';

export function kconfigOf(text: string, others: Record<string, string> = {}): Kconfig {
  return readKconfig('Kconfig', sourcesOf({ Kconfig: text, ...others }));
}

/** `file:line:column`, what a caret would stand under, and why. */
export function refusal(text: string, others: Record<string, string> = {}): [string, string, string] {
  try {
    kconfigOf(text, others);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [placeOf(error.at!), underlined(error.at!), error.because];
  }
  throw new Error('it was read');
}

export const placeOf = ({ file, line, column }: SourceLocation) => `${file}:${line}:${column}`;
export const underlined = ({ text, column, length }: SourceLocation) => text.slice(column - 1, column - 1 + length);

export function configured(kconfig: Kconfig, config = ''): Configuration {
  return readConfig(config, '.config', kconfig).configuration;
}

/** Values by name. */
export function valuesOf(text: string, config = ''): Record<string, string> {
  const kconfig = kconfigOf(text);
  const configuration = configured(kconfig, config);
  return Object.fromEntries(kconfig.defined.map((symbol) => [symbol.name, configuration.value(symbol).text]));
}

/** .config as it is written anew. */
export function configuredText(text: string, config = ''): string {
  const { configuration, unknown } = readConfig(config, '.config', kconfigOf(text));
  return configText(configuration, unknown);
}

export function minimalConfig(text: string, config = ''): string {
  const { configuration, unknown } = readConfig(config, '.config', kconfigOf(text));
  return minimalText(configuration, unknown);
}
