import { editDistance } from '../config/did-you-mean.ts';

/** An image that a layer makes, under a name by which a FROM can mean it: `base:1`, `ghcr.io/acme/ccai/base:1`. */
export interface OwnImage {
  layer: string;
  reference: string;
}

interface Parts {
  path: string;
  rest: string;
}

function partsOf(reference: string): Parts {
  const [, path, rest] = /^(.*?)((?::[^/:@]*)?(?:@.*)?)$/.exec(reference)!;
  return { path: path!, rest: rest! };
}

/** Wrong letters of a slip; undefined where it is another name. A short name has many neighbours. */
function slip(written: string, name: string): number | undefined {
  const distance = editDistance(written, name);
  const own = name.slice(name.lastIndexOf('/') + 1);
  return distance > 0 && distance <= (own.length <= 4 ? 1 : 2) ? distance : undefined;
}

/**
 * The image that a reference which names nothing was most likely meant to be: that of a layer with another tag, of the
 * layer whose name it is, or one that is spelt nearly so. `others`: further names that there are.
 */
export function nearestImage(
  reference: string,
  own: readonly OwnImage[],
  others: readonly string[],
): string | undefined {
  const { path, rest } = partsOf(reference);
  const sameTag = (one: string) => (partsOf(one).rest === rest ? 0 : 1);
  const known = [...own.map((image) => image.reference), ...others].filter((one) => one !== reference);
  const near = known.flatMap((one) => {
    const distance = partsOf(one).path === path ? 0 : slip(path, partsOf(one).path);
    return distance === undefined ? [] : [{ one, distance }];
  });
  const [best] = near.toSorted((a, b) => a.distance - b.distance || sameTag(a.one) - sameTag(b.one));
  return best?.one ?? own.find(({ layer }) => layer === path)?.reference;
}

/** A layer's image that a base from outside is spelt nearly like; names of few letters are near by chance. */
export function slipOf(reference: string, own: readonly OwnImage[]): string | undefined {
  const { path } = partsOf(reference);
  const names = own.map((image) => partsOf(image.reference).path);
  return names.find((name) => name.length > 4 && slip(path, name) !== undefined);
}
