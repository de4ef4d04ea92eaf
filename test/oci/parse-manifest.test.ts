import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { namedBy, parseManifest } from '../../src/oci/parse-manifest.ts';

const blob = (text: string, type: string) => ({ mediaType: type, digest: digestOf(text), size: text.length });
const image = {
  schemaVersion: 2,
  mediaType: mediaType.manifest,
  config: blob('config', mediaType.config),
  layers: [blob('layer', mediaType.layerGzip)],
};
const index = { schemaVersion: 2, mediaType: mediaType.index, manifests: [blob('image', mediaType.manifest)] };
const parse = (value: unknown, type?: string) => parseManifest(Buffer.from(JSON.stringify(value)), type);

describe('a manifest', () => {
  it('of an image and of an index, with what each names', () => {
    expect(parse(image)).toEqual({ kind: 'image', mediaType: mediaType.manifest, manifest: image });
    expect(namedBy(parse(image))).toEqual([image.config, ...image.layers]);
    expect(parse(index)).toEqual({ kind: 'index', mediaType: mediaType.index, manifest: index });
    expect(namedBy(parse(index))).toEqual(index.manifests);
  });

  it('without a media type of its own has the one that came with it', () => {
    const { mediaType: _none, ...bare } = image;
    expect(parse(bare, mediaType.dockerManifest).mediaType).toBe(mediaType.dockerManifest);
    expect(parse(bare).mediaType).toBe(mediaType.manifest);
  });

  const wrong: Record<string, unknown> = {
    'no object': [image],
    'schema 1': { ...image, schemaVersion: 1 },
    'an image and an index at once': { ...image, manifests: index.manifests },
    'neither of both': { schemaVersion: 2 },
    'an image that says it is an index': { ...image, mediaType: mediaType.index },
    'a config without a digest': { ...image, config: { ...image.config, digest: undefined } },
    'a layer with another digest': { ...image, layers: [{ ...image.layers[0], digest: 'md5:1' }] },
    'a layer with a negative size': { ...image, layers: [{ ...image.layers[0], size: -1 }] },
    'a layer with a size beyond what counts': { ...image, layers: [{ ...image.layers[0], size: 2 ** 60 }] },
    'layers that are no list': { ...image, layers: {} },
    'annotations that are no texts': { ...image, annotations: { a: 1 } },
    'a subject that is no descriptor': { ...image, subject: 'sha256:1' },
  };
  for (const [name, value] of Object.entries(wrong)) {
    it(`is not: ${name}`, () => expect(() => parse(value)).toThrow(RangeError));
  }

  it('whatever comes, it is read or refused by a RangeError', () => {
    const changed = fc
      .tuple(
        fc.constantFrom(image, index),
        fc.constantFrom('mediaType', 'config', 'layers', 'manifests', 'subject'),
        fc.jsonValue(),
      )
      .map(([base, key, value]) => Buffer.from(JSON.stringify({ ...base, [key]: value })));
    const any = fc.oneof(
      changed,
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          namedBy(parseManifest(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
