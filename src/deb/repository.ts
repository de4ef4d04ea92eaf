import { isRepositoryPath } from '../oci/reference.ts';

/** Where the packages of a name are saved, below the store. */
export function debRepository(name: string): string {
  // A repository's name has no plus, and single separators (OCI distribution spec, "Pulling manifests").
  const escaped = () => name.replace(/[+.-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`);
  return `debs/${isRepositoryPath(name) ? name : escaped()}`;
}
