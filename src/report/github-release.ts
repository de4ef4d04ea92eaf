import { hexOf } from '../oci/digest.ts';
import type { Release, ReleasedDelta, ReleasedImage } from '../release/release-json.ts';
import { versionTag } from '../release/version.ts';
import { code, count, sections, table, text } from './github-markdown.ts';
import { formatBytes } from './progress.ts';

/** GitHub refuses a longer text. In characters. */
const longestPage = 125_000;

/** The page of a release: what is in it, how to get it, and what changed since the one before. Markdown. */
export function releasePage(release: Release, previous: Release | undefined, store: string): string {
  return sections(
    [
      changes(release, previous),
      release.images.length === 0 ? '' : '### Images',
      release.images.length === 0 ? '' : imageTable(release, store),
      release.debs.length === 0 ? '' : '### Debian packages',
      release.debs.length === 0 ? '' : files(release.debs),
      release.models.length === 0 ? '' : '### Models',
      release.models.length === 0
        ? ''
        : table(
            ['Model', 'Size'],
            release.models.map(({ name, size }) => [code(name), formatBytes(size)]),
          ),
      release.deltas.length === 0 ? '' : '### Updates for devices',
      release.deltas.length === 0 ? '' : deltaTable(release.deltas),
      release.revision === null ? '' : `Made from commit ${code(release.revision)}.`,
    ],
    longestPage,
  );
}

/**
 * Everything that a release consists of as lines of `sha256sum`: the files as `sums` has them, and the images by the
 * digests that their version tags stand on. What actions/attest takes as `subject-checksums`.
 */
export function releaseSubjects(release: Release, store: string, sums: string): string {
  const images = release.images.map((image) => {
    return `${hexOf(image.index ?? image.digest)}  ${store}/${image.repository}\n`;
  });
  return sums + [...new Set(images)].join('');
}

function referenceOf(image: ReleasedImage, release: Release, store: string): string {
  return `${store}/${image.repository}:${versionTag(release.version)}`;
}

/** Layers count as changed by their fingerprints: what was built anew of the same inputs is the same. */
function changes(release: Release, previous: Release | undefined): string {
  if (previous === undefined) return `First release of ${text(release.name)}.`;
  const key = (layer: { layer: string; platform: string }) => `${layer.layer} ${layer.platform}`;
  const before = new Map(previous.fingerprints.map((layer) => [key(layer), layer.fingerprint]));
  const changed = release.fingerprints.filter((layer) => before.get(key(layer)) !== layer.fingerprint);
  const gone = previous.fingerprints.filter((layer) => release.fingerprints.every((now) => key(now) !== key(layer)));
  const names = (layers: readonly { layer: string }[]) =>
    [...new Set(layers.map(({ layer }) => layer))].map(code).join(', ');
  const kept = release.fingerprints.length - changed.length;
  const since = `Since ${text(previous.version)}: `;
  const parts = [
    changed.length === 0 ? 'no layer changed' : `${names(changed)} changed`,
    ...(gone.length === 0 ? [] : [`${names(gone)} left out`]),
    `${count(kept, 'layer')} as before`,
  ];
  return `${since}${parts.join('; ')}.`;
}

function imageTable(release: Release, store: string): string {
  const rows = release.images.map((image) => [
    code(referenceOf(image, release, store)),
    text(image.platform),
    code(image.digest),
  ]);
  return table(['Image', 'Platform', 'Digest'], rows);
}

function deltaTable(deltas: readonly ReleasedDelta[]): string {
  return table(
    ['Devices that run', 'Platform', 'File', 'Size', 'sha256'],
    deltas.map(({ from, platform, file, size, sha256 }) => [
      from === 'none' ? 'nothing yet' : text(from),
      text(platform),
      code(file),
      formatBytes(size),
      code(sha256),
    ]),
  );
}

function files(list: readonly { file: string; size: number; sha256: string }[]): string {
  return table(
    ['File', 'Size', 'sha256'],
    list.map(({ file, size, sha256 }) => [code(file), formatBytes(size), code(sha256)]),
  );
}
