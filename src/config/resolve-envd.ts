import { Failure, type SourceLocation } from '../failure.ts';
import { readEnvd } from '../import/envd/read.ts';
import { localFiles } from '../import/local-files.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { Config, Layer } from './config.ts';
import type { EnvdLayerSource } from './envd.ts';
import { wrongAt } from './issues.ts';
import type { DataPath } from './yaml-source.ts';

/**
 * The configuration with the layers that build files amount to: of `yolo`, also `yolo-system`, `yolo-python` and the like
 * below it. What is wrong in a build file is a Failure with its place there.
 */
export function resolveEnvd(
  config: Config,
  sources: readonly EnvdLayerSource[],
  images: ReadonlyMap<string, string>,
  file: string,
): { config: Config; failures: Failure[] } {
  const failures: Failure[] = [];
  const files = localFiles(config.root);
  /** By the name of a layer that is made: that which declares it. */
  const declared = new Map<string, string>();
  const layers = config.layers.flatMap((layer): Layer[] => {
    const source = sources.find(({ name }) => name === layer.name);
    if (!source) return [layer];
    try {
      const imageOf = (suffix: string) => imageText(layer, suffix);
      const made = readEnvd({ ...source, context: layer.context, images, files, imageOf }).layers;
      return made.map(({ suffix, dockerfile }, index) => {
        const name = suffix === '' ? layer.name : `${layer.name}-${suffix}`;
        declared.set(name, layer.name);
        return madeLayer(layer, { name, suffix, first: index === 0, generated: dockerfile, file: source.file });
      });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error.at ? error : atKey(error, config.locate(['layers', layer.name, 'envd'])));
      return [];
    }
  });
  const own = layers.filter(({ name, generated }) => generated !== undefined && declared.get(name) !== name);
  for (const layer of own) {
    const at = config.locate(['layers', declared.get(layer.name)!, 'envd'], 'key');
    const reference = formatReference(parseReference(layer.image.text));
    const other = layers.find(
      (each) =>
        each !== layer && (each.name === layer.name || formatReference(parseReference(each.image.text)) === reference),
    );
    if (!other) continue;
    const because = `${fileOf(declared.get(layer.name)!, sources)} makes a layer ${layer.name}, and ${other.name} has that name or its image`;
    failures.push(wrongAt(file, at, because, 'give the other layer another name and image'));
  }
  const locate = (path: DataPath, part?: 'key' | 'value') => {
    const layer = path[0] === 'layers' && typeof path[1] === 'string' ? declared.get(path[1]) : undefined;
    return config.locate(layer === undefined ? path : ['layers', layer, ...path.slice(2)], part);
  };
  return { config: { ...config, layers, locate }, failures };
}

function fileOf(name: string, sources: readonly EnvdLayerSource[]): string {
  return sources.find((each) => each.name === name)!.file;
}

function atKey({ doing, because, fix, kind }: Failure, at: SourceLocation): Failure {
  return new Failure({ doing, because, ...(fix === undefined ? {} : { fix }), at, kind });
}

function imageText({ image }: Layer, suffix: string): string {
  const tag = image.text === image.path ? '' : `:${image.tag}`;
  return `${image.path}${suffix === '' ? '' : `-${suffix}`}${tag}`;
}

/** What a layer says of itself goes to the last; what its build needs, to all. */
function madeLayer(
  layer: Layer,
  made: { name: string; suffix: string; first: boolean; generated: Layer['generated'] & {}; file: string },
): Layer {
  const { name, suffix, first, generated, file } = made;
  const { refresh, release, image, labels, needs, aliases, ...rest } = layer;
  const path = suffix === '' ? image.path : `${image.path}-${suffix}`;
  const last = suffix === '';
  return {
    ...rest,
    name,
    dockerfile: file,
    generated,
    image: { ...image, path, text: imageText(layer, suffix) },
    aliases: last ? aliases : [],
    labels: last ? labels : {},
    needs: first ? needs : [],
    ...(first && refresh !== undefined ? { refresh } : {}),
    ...(last && release !== undefined ? { release } : {}),
  };
}
