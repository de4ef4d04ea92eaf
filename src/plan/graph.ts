import type { Config, Layer } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import type { ImageUse } from '../dockerfile/analysis.ts';
import { Failure, type SourceLocation } from '../failure.ts';
import { formatReference, parseReference } from '../oci/reference.ts';

/** An image that a layer's Dockerfile uses: another layer's, or one from outside. */
export type UsedImage = { use: ImageUse } & (
  | { kind: 'layer'; layer: string }
  /** `reference` in its normal form: the key of the lock. */
  | { kind: 'base'; reference: string }
);

/** The names under which a FROM can mean a layer: its image as written, bare or under the store. */
export function layersByReference(config: Config): Map<string, Layer> {
  const found = new Map<string, Layer>();
  for (const layer of config.layers) {
    found.set(formatReference(parseReference(layer.image.text)), layer);
    if (config.store.kind === 'registry') {
      const { registry, path } = config.store;
      found.set(formatReference(parseReference(`${registry}/${path}/${layer.image.text}`)), layer);
    }
  }
  return found;
}

/** Throws a Failure at the use's place when the reference is no image reference. */
export function usedImage(use: ImageUse, layers: Map<string, Layer>): UsedImage {
  let reference: string;
  try {
    reference = formatReference(parseReference(use.reference));
  } catch (error) {
    throw new Failure({
      doing: `reading ${use.at.file}`,
      because: (error as Error).message,
      fix: 'write NAME[:TAG] or NAME@sha256:…',
      at: use.at,
      kind: 'input',
      cause: error,
    });
  }
  const layer = layers.get(reference);
  return layer ? { use, kind: 'layer', layer: layer.name } : { use, kind: 'base', reference };
}

/** What makes one layer need another, and where that is written. */
export interface Edge {
  via: ImageUse['via'] | 'needs';
  at: SourceLocation;
}

/**
 * Parents first; otherwise in the order of the file. `parents` holds, by layer, the names of the layers that it needs.
 * Throws a Failure that shows the circle when there is one, at a place that closes it.
 */
export function chainOrder(
  names: readonly string[],
  parents: ReadonlyMap<string, readonly string[]>,
  edgeOf?: (child: string, parent: string) => Edge | undefined,
): string[] {
  const order: string[] = [];
  const state = new Map<string, 'visiting' | 'done'>();
  const path: string[] = [];
  const visit = (name: string): void => {
    if (state.get(name) === 'done') return;
    if (state.get(name) === 'visiting') {
      const circle = [...path.slice(path.indexOf(name)), name];
      const [child, parent] = closing(circle, names);
      const edge = edgeOf?.(child, parent);
      throw new Failure({
        doing: 'ordering the layers',
        because: `${circle.join(' → ')}: each needs the next one's image, so none can be built first`,
        fix: wayOut(child, parent, edge),
        kind: 'input',
        ...(edge === undefined ? {} : { at: edge.at }),
      });
    }
    state.set(name, 'visiting');
    path.push(name);
    for (const parent of parents.get(name) ?? []) visit(parent);
    path.pop();
    state.set(name, 'done');
    order.push(name);
  };
  for (const name of names) visit(name);
  return order;
}

/**
 * The step of a circle, from a layer to what it needs, that is most likely the slip: people write parents first, so one
 * that leads down the file.
 */
function closing(circle: readonly string[], names: readonly string[]): [child: string, parent: string] {
  const steps = circle.slice(1).map((parent, index): [string, string] => [circle[index]!, parent]);
  return steps.find(([child, parent]) => names.indexOf(parent) >= names.indexOf(child))!;
}

function wayOut(child: string, parent: string, edge: Edge | undefined): string {
  const other = parent === child ? `an image other than that of ${child}` : `an image that does not need ${child}`;
  switch (edge?.via) {
    case 'needs':
      return `take ${parent} out of the needs: of ${child}`;
    case 'copy-from':
    case 'mount-from':
      return `take these files from ${other}`;
    default:
      return `let ${child} begin FROM ${other}`;
  }
}

/** The names of the layers that are meant, also by an alias. Throws a Failure when one of them is no layer's. */
export function layersNamed({ layers, file }: Config, wanted: readonly string[]): string[] {
  return wanted.map((text) => {
    const found = layers.find(({ name }) => name === text) ?? layers.find(({ aliases }) => aliases.includes(text));
    if (found) return found.name;
    const names = layers.map(({ name }) => name);
    const near = didYouMean(text, [...names, ...layers.flatMap(({ aliases }) => aliases)]);
    throw new Failure({
      doing: 'choosing the layers',
      because: `there is no layer ${JSON.stringify(text)} in ${file}`,
      fix: near === undefined ? `the layers are ${names.join(', ')}` : `did you mean ${near}?`,
      kind: 'input',
    });
  });
}

/** The named layers and everything they need, in the order of `names`. */
export function withAncestors(wanted: readonly string[], parents: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const parent of parents.get(name) ?? []) visit(parent);
  };
  for (const name of wanted) visit(name);
  return found;
}
