import { createHash } from 'node:crypto';
import { platformName, type Platform } from '../oci/platform.ts';

/** The saved image of a fingerprint. */
export function layerTag(fingerprint: string): string {
  return `fp-${fingerprint}`;
}

/** The input manifest of a fingerprint. */
export function inputsTag(fingerprint: string): string {
  return `inputs-${fingerprint}`;
}

const longest = 128;

/**
 * The tag that follows a branch: `last-<branch>-<os>-<arch>`, `last-<branch>-any` for every platform. Characters that a
 * tag cannot have become '-'; where any did, or the name is cut to 128 characters, 8 hex digits of the branch's sha256
 * keep two branches apart. With `layer` it follows that layer alone, in a repository of several: `<branch> <layer>`
 * stands in the branch's place, a name that no branch can have.
 */
export function lastTag(branch: string, platform: Platform | undefined, layer?: string): string {
  return tagOfLine(layer === undefined ? branch : `${branch} ${layer}`, platform);
}

function tagOfLine(branch: string, platform: Platform | undefined): string {
  const end = platform === undefined ? '-any' : `-${platformName(platform).replaceAll('/', '-')}`;
  const clean = branch.replaceAll(/[^A-Za-z0-9_.-]/g, '-');
  if (clean === branch && `last-${clean}${end}`.length <= longest) return `last-${clean}${end}`;
  const apart = `-${createHash('sha256').update(branch).digest('hex').slice(0, 8)}${end}`;
  return `last-${clean}`.slice(0, longest - apart.length) + apart;
}

/** What kind of tag it is: gc may forget the first two, the others are somebody's names. */
export function tagKind(tag: string): 'layer' | 'inputs' | 'last' | 'name' {
  if (/^fp-[0-9a-f]{64}$/.test(tag)) return 'layer';
  if (/^inputs-[0-9a-f]{64}$/.test(tag)) return 'inputs';
  return tag.startsWith('last-') ? 'last' : 'name';
}

/** The fingerprint of a `fp-` or `inputs-` tag. */
export function fingerprintOf(tag: string): string | undefined {
  return /^(?:fp|inputs)-([0-9a-f]{64})$/.exec(tag)?.[1];
}
