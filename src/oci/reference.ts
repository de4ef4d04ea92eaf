import { isDigest, type Digest } from './digest.ts';

/** An image reference in its normal form, as Docker normalises it (distribution/reference). */
export interface ImageReference {
  /** `docker.io` where none is written. */
  registry: string;
  /** `library/debian` for `debian`. */
  repository: string;
  /** `latest` where neither tag nor digest is written. */
  tag?: string;
  digest?: Digest;
}

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** True when the first part of a reference names a registry host: it has a dot or a colon, or is localhost. */
export function isRegistryHost(part: string): boolean {
  return part.includes('.') || part.includes(':') || part === 'localhost';
}

export function isRepositoryPath(path: string): boolean {
  return path !== '' && path.length <= 255 && path.split('/').every((part) => component.test(part));
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Throws a RangeError that says which part is wrong. */
export function parseReference(text: string): ImageReference {
  const wrong = (why: string) => new RangeError(`not an image reference: ${JSON.stringify(text)}: ${why}`);
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    const found = rest.slice(at + 1);
    if (!isDigest(found)) throw wrong('what follows @ is not a sha256 digest');
    digest = found;
    rest = rest.slice(0, at);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!isTag(tag)) throw wrong('the tag has other characters than letters, digits, _ . -');
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const hosted = isRegistryHost(first);
  let registry = hosted ? first : 'docker.io';
  if (registry === 'index.docker.io') registry = 'docker.io';
  let repository = hosted ? rest.slice(slash + 1) : rest;
  if (!isRepositoryPath(repository)) throw wrong('the name must be lower-case letters, digits and separators');
  if (registry === 'docker.io' && !repository.includes('/')) repository = `library/${repository}`;
  const reference: ImageReference = { registry, repository };
  if (digest !== undefined) reference.digest = digest;
  if (tag !== undefined) reference.tag = tag;
  else if (digest === undefined) reference.tag = 'latest';
  return reference;
}

/** What formatReference makes of a text; undefined where it is no image reference. */
export function normalReference(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}

/** The whole form, registry included: equal strings name the same image. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}
