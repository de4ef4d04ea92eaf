import { otherThanArchitecture } from './architecture.ts';
import type { Config, Deb } from '../config/config.ts';
import type { Failure } from '../failure.ts';
import {
  problemOfArchitecture,
  problemOfLine,
  problemOfMaintainer,
  problemOfSection,
  splitDescription,
  type ControlFields,
} from './control.ts';
import { formatRelation, parseRelation, type RelationRules } from './relation.ts';
import { debTrouble } from './trouble.ts';

/** The fields that the configuration alone decides. */
export type DeclaredFields = Omit<ControlFields, 'package' | 'version' | 'architecture' | 'installedSize'>;

const relationRules = {
  depends: { alternatives: true, operators: 'any' },
  recommends: { alternatives: true, operators: 'any' },
  conflicts: { alternatives: false, operators: 'any' },
  replaces: { alternatives: false, operators: 'any' },
  provides: { alternatives: false, operators: 'equal' },
} as const satisfies Record<string, RelationRules>;

/** What starts images: any packaging of Docker. Not a dependency, since a device may have it from elsewhere. */
const dockerPackages = 'docker.io | docker-ce | moby-engine';

/** Checks every value that goes into a control file. All that is wrong comes at once, each with its place. */
export function declaredFields(config: Config, deb: Deb): { fields: DeclaredFields; failures: Failure[] } {
  const failures: Failure[] = [];
  const refuse = (path: (string | number)[], value: string, problem: string | undefined, fix: string) => {
    if (problem === undefined) return;
    failures.push(debTrouble(config, deb.name, path, `${JSON.stringify(value)}: ${problem}`, fix));
  };
  const { synopsis, extended } = splitDescription(deb.description);
  refuse(['description'], deb.description, problemOfLine(synopsis), 'write one line on what the package is');
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  const isBinary = /[\u0000-\u0008\u000b-\u001f\u007f]/.test(extended);
  refuse(['description'], deb.description, isBinary ? 'it has a control character' : undefined, 'write plain text');
  refuse(['maintainer'], deb.maintainer, problemOfMaintainer(deb.maintainer), 'write NAME <ADDRESS>');
  refuse(['section'], deb.section, problemOfSection(deb.section), 'write one of the sections of Debian, as in misc');
  if (deb.license !== undefined) {
    refuse(['license'], deb.license, problemOfLine(deb.license), 'write an SPDX identifier, as in Apache-2.0');
  }
  if (deb.architecture !== 'any') {
    const fix = otherThanArchitecture(deb.architecture);
    const problem = problemOfArchitecture(deb.architecture) ?? (fix && 'dpkg knows no such architecture');
    refuse(
      ['architecture'],
      deb.architecture,
      problem,
      fix ?? 'write all, or a name as in `dpkg --print-architecture`',
    );
  } else if (deb.service === undefined) {
    const because = 'it stands for one package for each platform of a service, and this one has no service:';
    refuse(['architecture'], 'any', because, 'write all, or a name as in `dpkg --print-architecture`');
  }

  const relations = {} as Record<keyof typeof relationRules, string[]>;
  for (const key of Object.keys(relationRules) as (keyof typeof relationRules)[]) {
    relations[key] = deb[key].flatMap((entry, index) => {
      try {
        return [formatRelation(parseRelation(entry, relationRules[key]))];
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        refuse([key, index], entry, error.message, 'write PACKAGE, PACKAGE (>= VERSION), or A | B');
        return [];
      }
    });
  }
  const named = [...relations.depends, ...relations.recommends].join(' ');
  if (deb.service !== undefined && !/\b(?:docker\.io|docker-ce|moby-engine)\b/.test(named)) {
    relations.recommends.push(dockerPackages);
  }
  const declared = {
    maintainer: deb.maintainer,
    section: deb.section,
    ...relations,
    synopsis,
    extended: extended === '' ? defaultExtended(config, deb) : extended,
  };
  return { fields: declared, failures };
}

function defaultExtended(config: Config, deb: Deb): string {
  const layer = config.layers.find(({ name }) => name === deb.service);
  if (layer === undefined) return `Part of ${config.name}.`;
  return `Runs the image ${layer.image.path} of ${config.name} with Docker, as a systemd service.`;
}
