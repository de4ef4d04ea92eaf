import { resolve } from 'node:path';
import { isRegistryHost, isRepositoryPath } from '../oci/reference.ts';
import type { StoreAddress } from './config.ts';
import { Wrong } from './wrong.ts';

export const defaultStoreText = '.imgbuild/store';

/**
 * `oci:DIR`, or a path that begins with `.` or `/`, is a folder (relative to `root`); all else is a registry whose
 * first part has a dot or a colon or is localhost. Throws a Wrong.
 */
export function parseStoreAddress(text: string, root: string): StoreAddress {
  const form = 'write a folder as ./DIR or oci:DIR, a registry as HOST[:PORT]/PATH';
  if (text.startsWith('oci:') || /^[./]/.test(text)) {
    const folder = text.replace(/^oci:/, '');
    if (folder === '') throw new Wrong('oci: names no folder', form);
    return { kind: 'folder', path: resolve(root, folder), text: folder.replace(/^\.\/(?=.)/, '') };
  }
  const bare = text.replace(/^(docker|https?):\/\//, '');
  if (bare !== text) throw new Wrong('a store has no scheme in front', `write ${bare}`);
  const slash = text.indexOf('/');
  const first = slash < 0 ? text : text.slice(0, slash);
  if (!isRegistryHost(first)) {
    throw new Wrong(
      `${JSON.stringify(first)} is neither a registry's host nor a folder`,
      `${form}, for example ./${text}`,
    );
  }
  const path = slash < 0 ? '' : text.slice(slash + 1);
  if (path === '') throw new Wrong('a path is missing after the registry', `write ${first}/OWNER/NAME`);
  if (!/^[a-z0-9.-]+(:\d{1,5})?$/i.test(first)) throw new Wrong(`${first} is not a host name`, form);
  if (!isRepositoryPath(path)) {
    const lower = text.toLowerCase();
    const onlyCase = isRepositoryPath(path.toLowerCase());
    throw new Wrong(
      onlyCase ? 'a store is lower case' : `${JSON.stringify(path)} is not a path of repositories`,
      onlyCase ? `write ${lower}` : form,
    );
  }
  return { kind: 'registry', registry: first.toLowerCase(), path };
}
