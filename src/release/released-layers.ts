import type { Config, Layer } from '../config/config.ts';
import { Failure } from '../failure.ts';

/**
 * The layers whose images a release has: those with `release: true`; where no layer says anything, those that no other
 * is built on and those that packages run. Throws a Failure when none of them is, when a package runs another one, or when
 * two of them share a repository, where one version tag cannot stand on both.
 */
export function releasedLayers(config: Config, parents: ReadonlyMap<string, readonly string[]>): Layer[] {
  const said = config.layers.some(({ release }) => release !== undefined);
  const below = new Set([...parents.values()].flat());
  const run = new Set(config.debs.flatMap(({ service }) => service ?? []));
  const layers = config.layers.filter(({ name, release }) =>
    said ? release === true : !below.has(name) || run.has(name),
  );
  const doing = 'choosing the images to release';
  // A release may be of packages or models alone, where that is all that is declared.
  if (layers.length === 0 && config.layers.length > 0) {
    const fix = 'write release: true in the layer whose image is to be released';
    throw new Failure({
      doing,
      because: 'no layer is to be released',
      fix,
      at: config.locate(['layers'], 'key'),
      kind: 'input',
    });
  }
  for (const { name, service } of config.debs) {
    if (service === undefined || layers.some((layer) => layer.name === service)) continue;
    throw new Failure({
      doing,
      because: `package ${name} runs the image of ${service}, which is not released`,
      fix: `write release: true in layer ${service}`,
      at: config.locate(['debs', name, 'service']),
      kind: 'input',
    });
  }
  const taken = new Map<string, string>();
  for (const { name, image } of layers) {
    const other = taken.get(image.path);
    if (other !== undefined) {
      throw new Failure({
        doing,
        because: `layers ${other} and ${name} share the repository ${image.path}: one version tag cannot be both`,
        fix: 'give one of them another image name, or write release: false in it',
        at: config.locate(['layers', name, 'image']),
        kind: 'input',
      });
    }
    taken.set(image.path, name);
  }
  return layers;
}
