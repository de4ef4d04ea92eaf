import type { Failure } from '../failure.ts';
import type { Config } from './config.ts';
import { didYouMean } from './did-you-mean.ts';
import { wrongAt } from './issues.ts';

/** What imgbuild.yaml says of layers that are neither in it nor made from another description that it names. */
export function unknownLayers(config: Config, all: readonly { name: string }[], file: string): Failure[] {
  const { layers, debs, locate } = config;
  const names = all.map(({ name }) => name);
  const said = [
    ...layers.flatMap(({ name, needs }) =>
      needs.map((need, index) => ({ need, path: ['layers', name, 'needs', index] })),
    ),
    ...debs.flatMap(({ name, service }) =>
      service === undefined ? [] : [{ need: service, path: ['debs', name, 'service'] }],
    ),
  ];
  return said.flatMap(({ need, path }) => {
    if (names.includes(need)) return [];
    const near = didYouMean(need, names);
    const fix = near === undefined ? `write one of ${names.join(', ')}` : `did you mean ${near}?`;
    return [wrongAt(file, locate(path), `there is no layer ${JSON.stringify(need)}`, fix)];
  });
}
