import { isDigest } from '../oci/digest.ts';
import { isRegistryHost, isRepositoryPath, isTag } from '../oci/reference.ts';
import type { LayerImage } from './config.ts';
import { Wrong } from './wrong.ts';

/** Tags that a store keeps for itself. */
const reservedTag = /^(fp|inputs|last)-/;

/** `[PATH/]NAME[:TAG]`, lower case, without a registry. Throws a Wrong. */
export function parseImage(text: string): LayerImage {
  const form = 'write [PATH/]NAME[:TAG] in lower case, as in service_runtime_base:ubuntu_20.04';
  const at = text.indexOf('@');
  if (at >= 0) {
    const digest = isDigest(text.slice(at + 1)) ? 'a digest' : 'what follows @';
    throw new Wrong(
      `an image that is built has no digest yet: ${digest} cannot be given`,
      `write ${text.slice(0, at)}`,
    );
  }
  const colon = text.lastIndexOf(':');
  const hasTag = colon > text.lastIndexOf('/');
  const path = hasTag ? text.slice(0, colon) : text;
  const tag = hasTag ? text.slice(colon + 1) : 'latest';
  const [first, ...rest] = path.split('/');
  if (rest.length > 0 && isRegistryHost(first!)) {
    throw new Wrong(
      `${first} is a registry: where images are saved is for store: to say`,
      `write ${rest.join('/')}${hasTag ? `:${tag}` : ''} here, and store: ${first}/…`,
    );
  }
  if (!isRepositoryPath(path)) {
    const lower = text.toLowerCase();
    const onlyCase = lower !== text && isRepositoryPath(path.toLowerCase());
    throw new Wrong(
      onlyCase ? 'image names are lower case' : 'this is not an image name',
      onlyCase ? `write ${path.toLowerCase()}${hasTag ? `:${tag}` : ''}` : form,
    );
  }
  if (path.includes('__')) throw new Wrong('names with __ are kept for imgbuild', `write ${text.replace(/__+/g, '_')}`);
  if (path === 'releases' || path.startsWith('releases/')) {
    throw new Wrong('releases is where the store keeps its releases', 'choose another name');
  }
  if (path === 'models' || path.startsWith('models/')) {
    throw new Wrong('models/… is where the store keeps its models', 'choose another name');
  }
  if (path === 'debs' || path.startsWith('debs/')) {
    throw new Wrong('debs/… is where the store keeps its packages', 'choose another name');
  }
  if (!isTag(tag)) throw new Wrong('a tag has letters, digits, _ . - and at most 128 of them', form);
  if (reservedTag.test(tag))
    throw new Wrong('tags fp-…, inputs-… and last-… are kept for the store', 'choose another tag');
  return { text, path, tag };
}
