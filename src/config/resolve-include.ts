import { Failure, type SourceLocation } from '../failure.ts';
import { readAscend } from '../import/ascend/tree.ts';
import { readCcai } from '../import/ccai/tree.ts';
import { diskAt, type Disk } from '../import/disk.ts';
import type { ForeignLayer, ForeignProject } from '../import/foreign-tree.ts';
import { readPai } from '../import/pai/read.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { toLayer } from './check.ts';
import type { Config, Layer, TreeKind } from './config.ts';
import { parseImage } from './image.ts';
import type { Include } from './include.ts';
import { wrongAt } from './issues.ts';
import type { OptionPaths } from './options.ts';
import { resolveOptions } from './resolve-options.ts';
import { layerSchema } from './schema.ts';
import { Wrong } from './wrong.ts';
import type { DataPath } from './yaml-source.ts';

/** A tree that is included, as it was read. */
interface Tree {
  kind: TreeKind;
  /** Where imgbuild.yaml includes it. */
  at: SourceLocation;
  project: ForeignProject;
}

/** A layer of a tree, in both forms. */
interface IncludedLayer {
  tree: Tree;
  foreign: ForeignLayer;
  layer: Layer;
}

/**
 * The configuration with the layers of trees that are used as they are. What is wrong in them is a Failure with its place
 * there. `ownOptions`: imgbuild.yaml says which options there are.
 */
export function resolveIncluded(
  config: Config,
  include: Include,
  file: string,
  ownOptions: boolean,
): { config: Config; failures: Failure[] } {
  const failures: Failure[] = [];
  const trees: Tree[] = [];
  const disk = diskAt(config.root);
  for (const kind of ['pai', 'ccai', 'ascend'] as const) {
    const read = include[kind] === undefined ? undefined : readTree(disk, kind, include, config, file);
    if (read instanceof Failure) failures.push(read);
    else if (read) trees.push(read);
  }
  const options = ownOptions ? { failures: [] } : resolveTreeOptions(config, trees, file);
  failures.push(...options.failures);
  const added: IncludedLayer[] = [];
  for (const tree of trees) {
    failures.push(...tree.project.failures, ...unknownStages(tree, include, file));
    for (const foreign of tree.project.layers) {
      const layer = layerOf(foreign, tree, config);
      if (layer instanceof Failure) {
        failures.push(layer);
        continue;
      }
      failures.push(...clashes({ tree, foreign, layer }, added, config));
      added.push({ tree, foreign, layer });
    }
  }
  const byName = new Map(added.map((each) => [each.layer.name, each]));
  const locate = (path: DataPath, part?: 'key' | 'value') => {
    const known = path[0] === 'layers' ? byName.get(String(path[1])) : undefined;
    return known ? placeOf(known.foreign, path.slice(2), known.tree.at) : config.locate(path, part);
  };
  const included = Object.fromEntries(
    trees.map((tree) => [tree.kind, added.filter((each) => each.tree === tree).map(({ layer }) => layer.name)]),
  );
  const layers = [...config.layers, ...added.map(({ layer }) => layer)];
  return {
    config: { ...config, ...(options.options ? { options: options.options } : {}), layers, included, locate },
    failures,
  };
}

function readTree(disk: Disk, kind: TreeKind, include: Include, config: Config, file: string): Tree | Failure {
  const at = config.locate(['include', kind]);
  const path = kind === 'ccai' ? include.ccai! : include[kind]!.path;
  if (disk.kind(path) !== 'folder') {
    return wrongAt(file, at, `there is no folder ${path}`, 'write where the tree is');
  }
  const project = projectOf(disk, kind, include, config);
  if (project && (project.layers.length > 0 || project.failures.length > 0)) return { kind, at, project };
  const { because, fix } = missing[kind];
  return wrongAt(file, at, `${because} in ${path}`, fix);
}

const missing: Record<TreeKind, { because: string; fix: string }> = {
  pai: {
    because: 'there is no component, no src/*/image.yaml and no src/*/build/*.dockerfile,',
    fix: 'write the folder that has src/',
  },
  ccai: {
    because: 'there is no release_build.sh that calls docker_build.sh',
    fix: 'write the folder of a release, or of the sources',
  },
  ascend: {
    because:
      'there is no dockerbuild.sh or build.sh that calls docker build, and no Dockerfile that fetches installers,',
    fix: 'write the folder that has it',
  },
};

function projectOf(
  disk: Disk,
  kind: TreeKind,
  { pai, ccai, ascend }: Include,
  { args }: Config,
): ForeignProject | undefined {
  if (kind === 'ccai') return readCcai(disk, ccai!);
  if (kind === 'ascend') {
    const { path, ...options } = ascend!;
    return readAscend(disk, path, { ...options, given: new Set(Object.keys(args)) });
  }
  const { path, ...options } = pai!;
  return readPai(disk, path, options);
}

/** A stage that no Dockerfile of a tree has would be left out of none. */
function unknownStages({ kind, at, project }: Tree, { ascend }: Include, file: string): Failure[] {
  if (kind !== 'ascend' || project.failures.length > 0) return [];
  const left = new Set(project.layers.flatMap(({ others }) => (others['skip'] ?? []) as string[]));
  return ascend!.skip
    .filter((stage) => !left.has(stage))
    .map((stage) => {
      const because = `no Dockerfile of the tree has a stage ${JSON.stringify(stage)}`;
      return wrongAt(file, at, because, 'write a name that follows AS in a FROM');
    });
}

/** The menu of a tree. */
function resolveTreeOptions(config: Config, trees: readonly Tree[], file: string): ReturnType<typeof resolveOptions> {
  const tree = trees.find(({ project }) => project.top?.['options'] !== undefined);
  if (!tree) return { failures: [] };
  const paths = { config: '.config', ...(tree.project.top!['options'] as Partial<OptionPaths>) } as OptionPaths;
  const locate: Config['locate'] = (path, part) => (path[0] === 'options' ? tree.at : config.locate(path, part));
  return resolveOptions({ ...config, locate }, paths, file);
}

function layerOf(foreign: ForeignLayer, { project, at }: Tree, { platforms }: Config): Layer | Failure {
  const { name, context, dockerfile, image, others, places = {} } = foreign;
  // What a tree gives to all of its images is not for those of others.
  const shared = project.top?.['args'] as Record<string, string> | undefined;
  const own = others['args'] as Record<string, string> | undefined;
  const args = shared || own ? { args: { ...shared, ...own } } : {};
  const place = foreign.at ?? at;
  const parsed = layerSchema.safeParse({ context, dockerfile, image, ...others, ...args });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return wrongAt(place.file, place, `${issue!.path.join('.')} of ${name}: ${issue!.message}`, 'mend it there');
  }
  const origins = Object.entries({ ...project.places, ...places }).flatMap(([path, { file: from, line }]) =>
    /^(args\..|target$)/.test(path) ? [[path, `${from}:${line} ${path.replace(/^args\./, '')}`] as const] : [],
  );
  try {
    return {
      ...toLayer(name, parsed.data, parseImage(image), platforms),
      ...(origins.length > 0 ? { origins: new Map(origins) } : {}),
    };
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return wrongAt(place.file, place, `${image}: ${error.message}`, error.fix);
  }
}

/** Another layer that has its name, an alias or its image. Those of one tree are told apart when it is read. */
function clashes({ tree, foreign, layer }: IncludedLayer, added: readonly IncludedLayer[], config: Config): Failure[] {
  const reference = ({ image }: Layer) => formatReference(parseReference(image.text));
  const names = [layer.name, ...layer.aliases];
  const isSame = (each: Layer) =>
    [each.name, ...each.aliases].some((name) => names.includes(name)) || reference(each) === reference(layer);
  const told = (at: SourceLocation, other: Layer) => {
    const because = `layer ${other.name} has the name or the image of ${layer.name}, which ${foreign.at?.file} makes`;
    return wrongAt(at.file, at, because, 'give it another name and image, or leave the other out');
  };
  const own = config.layers.filter(isSame).map((other) => told(config.locate(['layers', other.name], 'key'), other));
  const others = added.filter((each) => each.tree !== tree && isSame(each.layer));
  return [...own, ...others.map((each) => told(each.foreign.at ?? each.tree.at, each.layer))].slice(0, 1);
}

/** The nearest place above that is known. */
function placeOf(layer: ForeignLayer, path: DataPath, otherwise: SourceLocation): SourceLocation {
  for (let length = path.length; length > 0; length--) {
    const found = layer.places?.[path.slice(0, length).join('.')];
    if (found) return found;
  }
  return layer.at ?? otherwise;
}
