import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../oci/digest.ts';
import type { ImageIndex, ImageManifest, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { ReferrerPut } from '../store/layer-store.ts';
import type { RegistryClient } from './client.ts';

/** How often the list under a tag is put again that another writer has overwritten. */
const rounds = 5;

/** Where registries without a list of their own have it. Distribution spec 1.1, "Referrers Tag Schema". */
export function referrersTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/** What names the manifest as its subject, by the registry's list or the one under the tag. Throws a Failure. */
export async function listReferrers(
  client: RegistryClient,
  repository: string,
  subject: Digest,
): Promise<Descriptor[]> {
  return (await client.listReferrers(repository, subject)) ?? (await taggedReferrers(client, repository, subject));
}

/**
 * Puts a manifest under its digest, and where the registry keeps no list of referrers into the one under the tag.
 * Distribution spec 1.1, "Pushing Manifests with Subject". Throws a RangeError for one without a subject.
 */
export async function putReferrer(
  client: RegistryClient,
  repository: string,
  manifest: StoredManifest,
): Promise<ReferrerPut> {
  const { descriptor } = manifest;
  const parsed = parseManifest(manifest.bytes, descriptor.mediaType).manifest;
  const subject = parsed.subject?.digest;
  if (subject === undefined) throw new RangeError(`${descriptor.digest} names no subject`);
  const isListed = (list: readonly Descriptor[]) => list.some(({ digest }) => digest === descriptor.digest);
  if (isListed(await listReferrers(client, repository, subject))) return 'present';
  const noted = await client.putManifest(repository, descriptor.digest, manifest);
  if (noted === subject) return 'put';
  // Tags have no compare-and-swap: whoever comes last may have read the list before our entry was in it.
  for (let round = 0; round < rounds; round++) {
    const before = await taggedReferrers(client, repository, subject);
    if (isListed(before)) return 'put';
    await client.putManifest(repository, referrersTag(subject), indexOf([...before, describe(parsed, descriptor)]));
  }
  if (isListed(await taggedReferrers(client, repository, subject))) return 'put';
  throw new Failure({
    doing: `adding ${descriptor.digest} to ${client.registry}/${repository}:${referrersTag(subject)}`,
    because: 'others write the same list all the time',
    fix: 'run it again; nothing is sent twice',
  });
}

async function taggedReferrers(client: RegistryClient, repository: string, subject: Digest): Promise<Descriptor[]> {
  const tag = referrersTag(subject);
  const stored = await client.getManifest(repository, tag);
  if (stored === undefined) return [];
  const parsed = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (parsed.kind === 'index') return parsed.manifest.manifests;
  throw new Failure({
    doing: `reading the referrers of ${client.registry}/${repository}@${subject}`,
    because: `the tag ${tag} stands on something else than a list`,
    fix: 'remove the tag: the distribution specification keeps it for that list',
  });
}

/** As the list has it: with what readers choose by. */
function describe({ artifactType, annotations }: ImageManifest | ImageIndex, descriptor: Descriptor): Descriptor {
  const { mediaType: type, digest, size } = descriptor;
  return {
    mediaType: type,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function indexOf(manifests: Descriptor[]): StoredManifest {
  const index: ImageIndex = { schemaVersion: 2, mediaType: mediaType.index, manifests };
  const bytes = new TextEncoder().encode(JSON.stringify(index));
  return { descriptor: { mediaType: mediaType.index, digest: digestOf(bytes), size: bytes.length }, bytes };
}
