import type { Descriptor } from './descriptor.ts';
import { isDigest } from './digest.ts';
import type { ImageIndex, ImageManifest } from './manifest.ts';
import { isIndexType, isManifestType, mediaType } from './media-type.ts';

/** Manifests above this are refused by registries. OCI distribution spec, "Pushing Manifests": 4 MiB. */
export const largestManifest = 4 * 1024 * 1024;

export type ParsedManifest =
  | { kind: 'image'; mediaType: string; manifest: ImageManifest }
  | { kind: 'index'; mediaType: string; manifest: ImageIndex };

/**
 * Reads the bytes of a manifest or an index. `declared` is the media type that came with them, if any.
 * Throws a RangeError that says what is wrong with anything else, schema 1 included.
 */
export function parseManifest(bytes: Uint8Array, declared?: string): ParsedManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw wrong('it is not JSON');
  }
  if (!isRecord(value)) throw wrong('it is not a JSON object');
  if (value['schemaVersion'] !== 2)
    throw wrong(`its schemaVersion is ${JSON.stringify(value['schemaVersion'])}, not 2`);
  // A document that is both could be read as either by two clients (CVE-2021-41190).
  const isIndex = Array.isArray(value['manifests']);
  const isImage = Array.isArray(value['layers']) || value['config'] !== undefined;
  if (isIndex === isImage) throw wrong(isIndex ? 'it has manifests and layers' : 'it has neither manifests nor layers');
  const type = value['mediaType'] ?? declared ?? (isIndex ? mediaType.index : mediaType.manifest);
  if (typeof type !== 'string') throw wrong('its mediaType is not a text');
  if (isIndex ? !isIndexType(type) : !isManifestType(type)) throw wrong(`its media type is ${type}`);
  const annotations = value['annotations'];
  if (annotations !== undefined && annotations !== null && !isTexts(annotations))
    throw wrong('its annotations are not texts');
  const subject = value['subject'];
  if (subject !== undefined && subject !== null) checkDescriptor(subject, 'subject');
  if (isIndex) {
    (value['manifests'] as unknown[]).forEach((each, index) => checkDescriptor(each, `manifests[${index}]`));
    return { kind: 'index', mediaType: type, manifest: value as unknown as ImageIndex };
  }
  checkDescriptor(value['config'], 'config');
  if (!Array.isArray(value['layers'])) throw wrong('it has no layers');
  (value['layers'] as unknown[]).forEach((each, index) => checkDescriptor(each, `layers[${index}]`));
  return { kind: 'image', mediaType: type, manifest: value as unknown as ImageManifest };
}

/** What a manifest names and a store must hold: blobs of an image, manifests of an index; a subject may be missing. */
export function namedBy(parsed: ParsedManifest): Descriptor[] {
  return parsed.kind === 'index' ? parsed.manifest.manifests : [parsed.manifest.config, ...parsed.manifest.layers];
}

function wrong(why: string): RangeError {
  return new RangeError(`not an image manifest or index: ${why}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((each) => typeof each === 'string');
}

function checkDescriptor(value: unknown, where: string): void {
  if (!isRecord(value)) throw wrong(`${where} is not a descriptor`);
  if (typeof value['mediaType'] !== 'string') throw wrong(`${where} has no mediaType`);
  if (typeof value['digest'] !== 'string' || !isDigest(value['digest'])) throw wrong(`${where} has no sha256 digest`);
  if (!Number.isSafeInteger(value['size']) || (value['size'] as number) < 0) throw wrong(`${where} has no size`);
}
