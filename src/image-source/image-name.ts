import { Failure } from '../failure.ts';
import { parseReference } from '../oci/reference.ts';

/** Where an image is, as containers-transports(5) names it; a bare version names a release of the store. */
export type ImageName =
  | { transport: 'docker'; reference: string }
  /** `reference`: a name with a tag or digest, or an image ID. */
  | { transport: 'docker-daemon'; reference: string }
  | { transport: 'oci'; path: string; reference?: string }
  | { transport: 'oci-archive'; path: string; reference?: string }
  | { transport: 'docker-archive'; path: string; reference?: string }
  /** Without the `v` in front. */
  | { transport: 'release'; version: string };

const releasePattern = /^v?([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$/;

/** Throws a Failure on anything else. Paths are kept as written. */
export function parseImageName(text: string): ImageName {
  const release = releasePattern.exec(text);
  if (release) return { transport: 'release', version: release[1]! };
  const colon = text.indexOf(':');
  const transport = colon < 0 ? '' : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  switch (transport) {
    case 'docker':
      if (!rest.startsWith('//')) throw wrong(text, 'docker: is followed by //');
      return { transport, reference: checked(text, rest.slice(2)) };
    case 'docker-daemon':
      if (rest === '') throw wrong(text, 'no image follows docker-daemon:');
      return { transport, reference: rest };
    case 'oci':
    case 'oci-archive':
    case 'docker-archive': {
      const split = rest.indexOf(':');
      const path = split < 0 ? rest : rest.slice(0, split);
      if (path === '') throw wrong(text, `no path follows ${transport}:`);
      return split < 0 ? { transport, path } : { transport, path, reference: rest.slice(split + 1) };
    }
    default:
      throw wrong(text, 'it names neither a transport nor a release');
  }
}

function checked(text: string, reference: string): string {
  try {
    parseReference(reference);
  } catch (error) {
    throw wrong(text, (error as RangeError).message);
  }
  return reference;
}

function wrong(text: string, because: string): Failure {
  return new Failure({
    doing: `reading the image name ${JSON.stringify(text)}`,
    because,
    fix: 'write docker://NAME:TAG, docker-daemon:NAME:TAG, oci:DIR[:REF], oci-archive:FILE, docker-archive:FILE or a release such as 1.2.0',
    kind: 'input',
  });
}
