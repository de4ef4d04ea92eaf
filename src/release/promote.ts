import { join } from 'node:path';
import { makeOutputFolder } from '../deb/output-file.ts';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { Progress } from '../progress.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { RegistryStore } from '../store/registry.ts';
import { formatChannel, isChannelName, type Channel, type ChannelDelta } from './channel-json.ts';
import { readChannel, writeChannel } from './channel-store.ts';
import { waysTo, type Way } from './channel-ways.ts';
import type { Release, ReleasedDeb, ReleasedImage } from './release-json.ts';
import { listReleases, noSuchRelease, readRelease, type KnownRelease } from './release-store.ts';
import { compareVersions, type Version } from './version.ts';

export interface PromoteRequest {
  store: LayerStore;
  channel: string;
  /** Undefined: the release on which the channel stands, signed anew. */
  version: Version | undefined;
  /** Where devices find the files, with `{version}`, `{file}` or `{sha256}` in them; empty: as it was. */
  urls: readonly string[];
  /** Whether bundles carry packages, so that devices must not do with a pull. */
  packages: boolean;
  /** Deltas between releases that no release names, because they were made later; the channel keeps them. */
  deltas: readonly ChannelDelta[];
  validDays: number;
  signKey: SigningKey;
  now: Date;
  /** Absolute; gets ota.json and ota.json.asc. */
  directory: string;
  progress: Progress;
}

export interface Promoted {
  channel: Channel;
  /** The release on which it stood. */
  before: Version | null;
  /** How devices get there; a release that is in none of them must pull. */
  ways: Way[];
  /** Absolute. */
  file: string;
  signedBy: string;
}

/**
 * Says to the devices of a channel which release they are to run: a signed ota.json with every known delta on a way
 * there, in the store and in a folder to serve. Nothing is built, no file of a release is touched.
 */
export async function promote(request: PromoteRequest): Promise<Promoted> {
  const { store, signKey, now, directory, progress } = request;
  const name = request.channel;
  const doing = `promoting to the channel ${name}`;
  if (!isChannelName(name)) {
    throw new Failure({
      doing: `reading the channel's name ${JSON.stringify(name)}`,
      because: 'it is a part of URLs and tags',
      fix: 'take at most 40 small letters, digits and hyphens, as in stable',
      kind: 'input',
    });
  }
  const before = await readChannel(store, name);
  const version = request.version ?? before?.channel.version;
  if (version === undefined) {
    const fix = `name the release: imgbuild promote 1.2.0 --channel ${name}`;
    throw new Failure({ doing, because: 'the channel stands on no release yet', fix, kind: 'input' });
  }
  const known = await listReleases(store);
  const release = await releaseToRun(store, version, known, doing);
  if (before !== undefined && compareVersions(version, before.channel.version) < 0) {
    progress.warn(
      `devices that run ${before.channel.version} stay on it: only a rollback takes them back to ${version}`,
    );
  }
  const urls = request.urls.length > 0 ? request.urls.map(checkedUrl) : before?.channel.urls;
  if (urls === undefined) {
    throw new Failure({
      doing,
      because: 'where devices find the deltas is not known',
      fix: 'say it once: --url "https://github.com/OWNER/REPO/releases/download/v{version}/{file}"',
      kind: 'input',
    });
  }
  const others = [...request.deltas, ...(before?.channel.deltas ?? [])];
  const deltas = await deltasTowards(store, version, known, others);
  const expires = new Date(now);
  expires.setUTCDate(expires.getUTCDate() + request.validDays);
  const channel: Channel = {
    schema: 1,
    name: release.name,
    channel: name,
    version,
    ...(request.packages ? { packages: release.debs.map(packageOf) } : {}),
    sequence: (before?.channel.sequence ?? 0) + 1,
    issued: withoutMilliseconds(now),
    expires: withoutMilliseconds(expires),
    urls: [...urls],
    images: await Promise.all(release.images.map((image) => pullable(store, image))),
    deltas,
  };
  const document = formatChannel(channel);
  const signature = await signKey.signDetached(document);
  await makeOutputFolder(directory);
  await writeChannel(store, name, before?.digest, document, signature);
  const file = join(directory, 'ota.json');
  // Between the two a device finds a signature that is not of this document, refuses both and asks again later.
  await replaceFile(file, async (handle) => handle.writeFile(document));
  await replaceFile(`${file}.asc`, async (handle) => handle.writeFile(signature));
  const signedBy = signKey.fingerprint;
  return { channel, before: before?.channel.version ?? null, ways: waysTo(version, deltas), file, signedBy };
}

function packageOf({ name, version, architecture }: ReleasedDeb): NonNullable<Channel['packages']>[number] {
  return { name, version, architecture };
}

async function releaseToRun(
  store: LayerStore,
  version: Version,
  known: readonly KnownRelease[],
  doing: string,
): Promise<Release> {
  const stored = await readRelease(store, version);
  if (stored === undefined) throw await noSuchRelease(store, `${doing}: ${version}`);
  if (known.some((each) => each.version === version && each.yanked)) {
    const because = `${version} is yanked`;
    throw new Failure({ doing, because, fix: 'take a release that is not, or make a new one', kind: 'input' });
  }
  return stored.release;
}

/**
 * All that lies on some way to the release; never through one that is yanked, though devices may start from there.
 * `others`: what the releases themselves don't name, the most important first.
 */
async function deltasTowards(
  store: LayerStore,
  version: Version,
  known: readonly KnownRelease[],
  others: readonly ChannelDelta[],
): Promise<ChannelDelta[]> {
  const standing = known.filter(({ yanked }) => !yanked).map((each) => each.version);
  const releases = await Promise.all(standing.map((each) => readRelease(store, each)));
  const named = releases.flatMap((stored) => stored?.release.deltas ?? []);
  const all = new Map<string, ChannelDelta>();
  for (const delta of [...named, ...others]) {
    // Files of one name have one address.
    if (standing.includes(delta.to) && !all.has(delta.file)) all.set(delta.file, delta);
  }
  const found: ChannelDelta[] = [];
  const reached = new Set([version]);
  for (let ends = [version]; ends.length > 0;) {
    const step = [...all.values()].filter(({ to }) => ends.includes(to));
    found.push(...step);
    ends = [...new Set(step.map(({ from }) => from))].filter((from) => !reached.has(from));
    for (const from of ends) reached.add(from);
  }
  return found;
}

async function pullable(store: LayerStore, image: ReleasedImage): Promise<Channel['images'][number]> {
  const { repository, digest, platform, config } = image;
  const manifest = await store.getManifest(repository, digest);
  const parsed = manifest && parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  if (parsed?.kind !== 'image') {
    throw new Failure({
      doing: `reading ${repository}@${digest} in ${store.name}`,
      because: manifest === undefined ? 'it is not there any more' : 'it is no image manifest',
      fix: 'promote a release whose images are there',
    });
  }
  const { layers } = parsed.manifest;
  const reference =
    store instanceof RegistryStore ? `${store.registry}/${store.repositoryPath(repository)}@${digest}` : null;
  const size = layers.reduce((sum, layer) => sum + layer.size, parsed.manifest.config.size);
  return { image: image.image, platform, config, reference, size };
}

/** With `{version}` and `{file}` where they stand in a URL of their own. */
function checkedUrl(text: string): string {
  const wrong = (because: string) =>
    new Failure({
      doing: `reading --url ${JSON.stringify(text)}`,
      because,
      fix: 'write it as "https://github.com/OWNER/REPO/releases/download/v{version}/{file}"',
      kind: 'input',
    });
  if (!/\{(?:file|sha256)\}/.test(text)) throw wrong('it has no {file}: all files would have one URL');
  const unknown = /\{(?!version\}|file\}|sha256\})[^}]*\}?/.exec(text);
  if (unknown) throw wrong(`${unknown[0]} stands for nothing`);
  const filled = text.replaceAll(/\{(?:version|file|sha256)\}/g, '1.0.0');
  if (!URL.canParse(filled) || !/^https?:$/.test(new URL(filled).protocol)) throw wrong('it is no http or https URL');
  if (new URL(filled).username !== '') throw wrong('it holds a login, and everybody reads it');
  return text;
}

function withoutMilliseconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
