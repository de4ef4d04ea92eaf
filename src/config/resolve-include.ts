import { posix } from 'node:path';
import { Failure, type SourceLocation } from '../failure.ts';
import type { ForeignLayer } from '../import/foreign-tree.ts';
import { diskAt } from '../import/disk.ts';
import { readPai } from '../import/pai/read.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { toLayer } from './check.ts';
import type { Config, Layer } from './config.ts';
import { didYouMean } from './did-you-mean.ts';
import { parseImage } from './image.ts';
import type { Include } from './include.ts';
import { wrongAt } from './issues.ts';
import { layerSchema } from './schema.ts';
import type { DataPath } from './yaml-source.ts';

/** The configuration with the layers of trees that are used as they are. What is wrong in them is a Failure with its place there. */
export function resolveIncluded(
  config: Config,
  { pai }: Include,
  file: string,
): { config: Config; failures: Failure[] } {
  const at = config.locate(['include', 'pai']);
  const { path, ...options } = pai;
  const disk = diskAt(config.root);
  if (disk.kind(path) !== 'folder') {
    return { config, failures: [wrongAt(file, at, `there is no folder ${path}`, 'write where the tree is')] };
  }
  const project = readPai(disk, path, options);
  const failures = [...project.failures];
  if (project.layers.length === 0 && failures.length === 0) {
    const because = `there is no component in ${posix.join(path, 'src')}: no image.yaml, no build/*.dockerfile`;
    failures.push(wrongAt(file, at, because, 'write the folder that has src/'));
  }
  const included = new Map(project.layers.map((layer) => [layer.name, layer]));
  const layers = project.layers.map((layer) => layerOf(layer, config));
  for (const layer of layers) failures.push(...clashes(layer, included.get(layer.name)!, config));
  const locate = (path_: DataPath, part?: 'key' | 'value') => {
    const layer = path_[0] === 'layers' ? included.get(String(path_[1])) : undefined;
    return layer ? placeOf(layer, path_.slice(2), at) : config.locate(path_, part);
  };
  const all = [...config.layers, ...layers];
  if (failures.length === 0) failures.push(...unknownLayers(config, all, file));
  return { config: { ...config, layers: all, included: [...included.keys()], locate }, failures };
}

function layerOf({ name, context, dockerfile, image, others }: ForeignLayer, { platforms }: Config): Layer {
  const parsed = layerSchema.parse({ context, dockerfile, image, ...others });
  return toLayer(name, parsed, parseImage(image), platforms);
}

/** What imgbuild.yaml says of layers that are neither in it nor in the tree. */
function unknownLayers({ layers, debs, locate }: Config, all: readonly Layer[], file: string): Failure[] {
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

/** A layer of imgbuild.yaml that has its name or its image. */
function clashes(layer: Layer, { at }: ForeignLayer, config: Config): Failure[] {
  const reference = (each: Layer) => formatReference(parseReference(each.image.text));
  const other = config.layers.find((each) => each.name === layer.name || reference(each) === reference(layer));
  if (!other) return [];
  const place = config.locate(['layers', other.name], 'key');
  const because = `layer ${other.name} has the name or the image of ${layer.name}, which ${at?.file} makes`;
  return [wrongAt(place.file, place, because, 'give it another name and image, or skip: the component')];
}

/** The nearest place above that is known. */
function placeOf(layer: ForeignLayer, path: DataPath, otherwise: SourceLocation): SourceLocation {
  for (let length = path.length; length > 0; length--) {
    const found = layer.places?.[path.slice(0, length).join('.')];
    if (found) return found;
  }
  return layer.at ?? otherwise;
}
