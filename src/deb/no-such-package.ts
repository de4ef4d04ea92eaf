import type { Config } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { Failure } from '../failure.ts';

export function noSuchPackage(
  config: Config,
  drafts: readonly { name: string }[],
  name: string,
  doing: string,
): Failure {
  const known = [...new Set([...drafts.map((draft) => draft.name), ...config.debs.map((deb) => deb.name)])];
  const near = didYouMean(name, known);
  return new Failure({
    doing: `${doing} ${name}`,
    because: 'the configuration names no such package',
    fix: near === undefined ? `the packages are: ${known.join(', ') || 'none'}` : `did you mean ${near}?`,
    kind: 'input',
  });
}
