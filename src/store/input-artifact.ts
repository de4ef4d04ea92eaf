import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, isDigest, type Digest } from '../oci/digest.ts';
import type { ImageManifest, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { parsePlatform, platformName, type PlatformName } from '../oci/platform.ts';

/** OCI image spec, manifest.md, "Guidance for an Empty Descriptor". */
export const emptyBlob = { mediaType: mediaType.empty, bytes: new TextEncoder().encode('{}') };

/** What the artifact beside a saved layer tells about it, without its blob. */
export interface SavedRecord {
  layer: string;
  /** Absent where it is for every platform, as models are. */
  platform?: PlatformName;
  fingerprint: string;
  /** The image that it belongs to: the artifact's subject. */
  image: Descriptor;
  /** The digests of the parents' images that it was built on, by the layers' names. */
  parents: Record<string, Digest>;
  /** The blob with the list of inputs. */
  inputs: Descriptor;
  savedAt?: Date;
  /** Of the release that it was made for first; what is reused keeps it. */
  version?: string;
  /** The commit and the CI run that it was built from. */
  revision?: string;
  run?: string;
}

const key = {
  layer: 'vnd.imgbuild.layer',
  platform: 'vnd.imgbuild.platform',
  fingerprint: 'vnd.imgbuild.fingerprint',
  parents: 'vnd.imgbuild.parents',
  run: 'vnd.imgbuild.run',
  version: 'org.opencontainers.image.version',
  revision: 'org.opencontainers.image.revision',
  created: 'org.opencontainers.image.created',
} as const;

export function inputArtifact(record: SavedRecord): StoredManifest {
  const annotations: Record<string, string> = {
    [key.layer]: record.layer,
    ...(record.platform === undefined ? {} : { [key.platform]: record.platform }),
    [key.fingerprint]: record.fingerprint,
    [key.parents]: JSON.stringify(record.parents),
  };
  if (record.savedAt !== undefined) annotations[key.created] = record.savedAt.toISOString();
  if (record.version !== undefined) annotations[key.version] = record.version;
  if (record.revision !== undefined) annotations[key.revision] = record.revision;
  if (record.run !== undefined) annotations[key.run] = record.run;
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: mediaType.inputsArtifact,
    config: { mediaType: emptyBlob.mediaType, digest: digestOf(emptyBlob.bytes), size: emptyBlob.bytes.length },
    layers: [record.inputs],
    subject: { mediaType: record.image.mediaType, digest: record.image.digest, size: record.image.size },
    annotations,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  return { descriptor: { mediaType: mediaType.manifest, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** Throws a RangeError that says what is wrong when the bytes are not such an artifact. */
export function parseInputArtifact(stored: StoredManifest): SavedRecord {
  const parsed = parseManifest(stored.bytes, stored.descriptor.mediaType);
  const wrong = (why: string) => new RangeError(`not an input manifest: ${why}`);
  if (parsed.kind !== 'image') throw wrong('it is an index');
  const { artifactType, layers, subject, annotations = {} } = parsed.manifest;
  if (artifactType !== mediaType.inputsArtifact) throw wrong(`its type is ${artifactType ?? 'not given'}`);
  const inputs = layers[0];
  if (layers.length !== 1 || inputs?.mediaType !== mediaType.inputs) throw wrong('it has no list of inputs');
  if (subject === undefined) throw wrong('it names no image as its subject');
  const layer = annotations[key.layer];
  const fingerprint = annotations[key.fingerprint];
  if (layer === undefined || fingerprint === undefined) throw wrong('it names no layer and fingerprint');
  const record: SavedRecord = {
    layer,
    fingerprint,
    image: subject,
    parents: parseParents(annotations[key.parents] ?? '{}', wrong),
    inputs,
  };
  const platform = annotations[key.platform];
  if (platform !== undefined) record.platform = platformName(parsePlatform(platform));
  const created = Date.parse(annotations[key.created] ?? '');
  if (!Number.isNaN(created)) record.savedAt = new Date(created);
  const { [key.revision]: revision, [key.run]: run, [key.version]: version } = annotations;
  if (version !== undefined) record.version = version;
  if (revision !== undefined) record.revision = revision;
  if (run !== undefined) record.run = run;
  return record;
}

function parseParents(text: string, wrong: (why: string) => RangeError): Record<string, Digest> {
  const parents: Record<string, Digest> = {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('its list of parents is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw wrong('its list of parents is not a JSON object');
  for (const [name, digest] of Object.entries(value)) {
    if (typeof digest !== 'string' || !isDigest(digest)) throw wrong(`its parent ${name} has no sha256 digest`);
    parents[name] = digest;
  }
  return parents;
}
