import { lstat, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Config, Deb } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { unreadable } from '../files/unreadable.ts';
import { problemOfMaintainer } from './control.ts';
import type { Draft, LaterFiles } from './draft.ts';
import { stampOf, type FileEntry } from './entry.ts';
import { declaredFields } from './fields.ts';
import type { Placement } from './placement.ts';
import { noRelease } from './source-date.ts';

/** `path`: its place in the model; `file`: absolute. */
type FetchFiles = (signal: AbortSignal | undefined) => Promise<readonly { path: string; file: string }[]>;

/** A model that is a package, with `targets: [deb]`. */
export interface ModelDeb {
  /** Of the model. */
  name: string;
  license?: string | undefined;
  /** Of its package; where absent that of the other packages. */
  maintainer?: string | undefined;
  /** Bytes of files in one package, as `split` of the others. */
  split?: number | undefined;
  /** What decides its files, and what brings them here; absent where they are not asked for. */
  files?: (Pick<LaterFiles, 'inputs' | 'known'> & { fetch: FetchFiles }) | undefined;
  /** Paths below the repository's root that the model consists of, or is made of. */
  taken: readonly string[];
}

/** `ccai-model-yolo`: a package's name has no underscore. */
export function modelPackageName(config: Pick<Config, 'name'>, model: string): string {
  return `${config.name.toLowerCase()}-model-${model}`.replaceAll(/[^a-z0-9.+-]/g, '-');
}

/**
 * The package of a model: its files below /opt/NAME/models/MODEL, which are not looked at. `neighbour`: the maintainer of
 * the other packages, where the model names none. Throws a Failure where there is none.
 */
export function modelDraft(config: Config, model: ModelDeb, version: string, neighbour: string | undefined): Draft {
  const troubleAt = (key: string) => (because: string, fix: string) =>
    new Failure({
      doing: `reading ${basename(config.file)}`,
      because: `model ${model.name}: ${because}`,
      fix,
      at: config.locate(['models', model.name, key]),
      kind: 'input',
    });
  const trouble = troubleAt('targets');
  const maintainer = model.maintainer ?? neighbour;
  if (maintainer === undefined) {
    throw trouble('its package has no maintainer', `write maintainer: NAME <ADDRESS> to models.${model.name}`);
  }
  const problem = problemOfMaintainer(maintainer);
  if (problem !== undefined && model.maintainer !== undefined) {
    throw troubleAt('maintainer')(`${JSON.stringify(maintainer)}: ${problem}`, 'write NAME <ADDRESS>');
  }
  const of: Deb = {
    name: modelPackageName(config, model.name),
    on: [],
    off: false,
    description: `model ${model.name} of ${config.name}`,
    maintainer,
    section: 'misc',
    architecture: 'all',
    depends: [],
    recommends: [],
    conflicts: [],
    replaces: [],
    provides: [],
    ...(model.license === undefined ? {} : { license: model.license }),
    run: { ports: [], env: {}, volumes: [], options: [] },
    contents: [],
    ignore: [],
    units: [],
    scripts: {},
    // Nobody declares them for a model alone.
    suites: [...new Set(config.debs.flatMap(({ suites }) => suites))],
    ...(model.split === undefined ? {} : { split: model.split }),
    compression: 'auto',
  };
  const { fields, failures } = declaredFields(config, of);
  const wrong = failures[0];
  if (wrong !== undefined) throw trouble(wrong.because, wrong.fix ?? 'mend it');
  const folder = `opt/${config.name}/models/${model.name}`;
  const { files } = model;
  const entries = async (signal?: AbortSignal) => {
    const found = await files!.fetch(signal);
    return Promise.all(found.map(({ path, file }) => modelFile(`${folder}/${path}`, file, `${model.name}/${path}`)));
  };
  return {
    name: of.name,
    of,
    off: undefined,
    version,
    versionOfNoRelease: noRelease,
    architectures: ['all'],
    fields,
    placements: [],
    made: [{ type: 'directory', path: folder, mode: 0o755 }],
    ...(files === undefined ? {} : { later: { folder, inputs: files.inputs, known: files.known, entries } }),
    modes: [],
    scripts: {},
    units: [],
    triggers: undefined,
    sysusers: [],
    tmpfiles: [],
    conffiles: [],
    trouble,
    relationTrouble: (_field, _index, because, fix) => trouble(because, fix),
  };
}

/** What a model takes of the repository: no tree misses it, and no other package may have it. */
export function takenOfModel(config: Config, model: ModelDeb): Map<string, Placement> {
  const placement: Placement = {
    type: 'file',
    src: `model ${model.name}`,
    dst: '/',
    naming: 'below',
    trouble: (_key, because, fix) =>
      new Failure({
        doing: `reading ${basename(config.file)}`,
        because,
        fix,
        at: config.locate(['models', model.name]),
        kind: 'input',
      }),
  };
  return new Map(model.taken.map((path) => [path, placement]));
}

async function modelFile(path: string, file: string, name: string): Promise<FileEntry> {
  try {
    const real = await realpath(file);
    const stats = await lstat(real, { bigint: true });
    const size = Number(stats.size);
    return { type: 'file', path, mode: 0o644, size, source: { from: 'disk', path: real, name, stamp: stampOf(stats) } };
  } catch (error) {
    throw unreadable(name, error);
  }
}
