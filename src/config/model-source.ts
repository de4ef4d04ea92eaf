import * as z from 'zod';
import { formatReference, isRegistryHost, parseReference } from '../oci/reference.ts';
import type { ModelSource } from './config.ts';
import { parseModelPath } from './model-path.ts';
import { text, Wrong } from './wrong.ts';

const howToSum = (what: string) => `write sha256: HEX, the 64 hex digits that \`${what}\` prints`;

/** Where files of a model come from, and the sum that they must have. */
export const modelSourceSchema = z
  .strictObject({
    url: text(
      { description: 'A file on a web server (https or http).', examples: ['https://example.com/yolo.onnx'] },
      parseUrl,
    ).optional(),
    oci: text(
      {
        description: 'An artifact in a registry: all its files.',
        examples: ['ghcr.io/acme/models/yolo:1.0'],
      },
      parseArtifact,
    ).optional(),
    path: z
      .string()
      .min(1)
      .meta({
        description: "A file on this machine: absolute, or relative to the repository's root.",
        examples: ['/mnt/models/yolo.onnx'],
      })
      .optional(),
    sha256: text(
      {
        description: 'Of the file; with oci: of the manifest.',
        pattern: '^[0-9a-f]{64}$',
        examples: ['e3b0c44298fc…'],
      },
      (value) => {
        if (/^[0-9a-f]{64}$/.test(value)) return value;
        const bare = value.replace(/^sha256:/, '').toLowerCase();
        throw new Wrong(
          'this is not a sha256',
          /^[0-9a-f]{64}$/.test(bare) ? `write ${bare}` : 'write the 64 hex digits that sha256sum prints',
        );
      },
    ).optional(),
    as: text(
      { description: 'Its path in the model; default: the last part of url or path.', examples: ['yolo.onnx'] },
      (value) => parseModelPath(value),
    ).optional(),
  })
  .transform(({ url, oci, path, sha256, as }, context): ModelSource => {
    const wrong = (message: string, fix: string, at?: string) => {
      context.issues.push({
        code: 'custom',
        input: url ?? path ?? '',
        message,
        params: { fix },
        ...(at === undefined ? {} : { path: [at] }),
      });
      return z.NEVER;
    };
    const given = [url, oci, path].filter((each) => each !== undefined).length;
    if (given !== 1) {
      const message = given === 0 ? 'the source comes from nowhere' : 'the source comes from several places';
      return wrong(message, 'write one of url:, oci: and path:');
    }
    if (oci !== undefined) {
      if (as !== undefined) return wrong('an artifact names its files itself', 'remove as:', 'as');
      const digest = sha256 === undefined ? oci.reference.digest : (`sha256:${sha256}` as const);
      if (digest === undefined) {
        const fix = `write ${oci.text}@sha256:HEX, or sha256: HEX: the digest of its manifest`;
        return wrong('the source has no checksum', fix, 'oci');
      }
      if (oci.reference.digest !== undefined && oci.reference.digest !== digest) {
        return wrong('the reference has another digest than sha256:', 'write one of them', 'sha256');
      }
      return { from: 'oci', reference: oci.reference, text: oci.text, sha256: digest.slice('sha256:'.length) };
    }
    if (sha256 === undefined) {
      const fix = howToSum(url === undefined ? `sha256sum ${path}` : `curl -fL ${url.href} | sha256sum`);
      return wrong('the source has no checksum', fix, url === undefined ? 'path' : 'url');
    }
    const name = as ?? nameIn(url === undefined ? path! : url.pathname);
    if (name === undefined)
      return wrong('it does not tell what the file is called', 'write as: NAME', url ? 'url' : 'path');
    if (url !== undefined) return { from: 'url', url: url.href, sha256, as: name };
    return { from: 'path', path: path!, sha256, as: name };
  })
  .meta({
    description: 'Where files of the model come from.',
    examples: ['{ url: https://example.com/yolo.onnx, sha256: <64 hex digits> }'],
  });

function parseUrl(value: string): URL {
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new Wrong('this is not a URL of a web server', 'write it whole, as in https://example.com/yolo.onnx');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Wrong('the URL holds a login, which everybody who reads this file would have', 'write it without');
  }
  url.hash = '';
  return url;
}

function parseArtifact(value: string) {
  const form = 'write HOST[:PORT]/PATH[:TAG]@sha256:HEX, or HOST/PATH:TAG and sha256: HEX';
  try {
    const reference = parseReference(value);
    if (!isRegistryHost(value.split('/')[0]!)) throw new Wrong('a registry is missing in front', form);
    return { reference, text: formatReference(reference) };
  } catch (error) {
    if (error instanceof Wrong) throw error;
    throw new Wrong((error as Error).message, form);
  }
}

/** The last part of a path, where it can be the name of a file. */
function nameIn(path: string): string | undefined {
  try {
    return parseModelPath(decodeURIComponent(path.split('/').at(-1) ?? ''));
  } catch {
    return undefined;
  }
}
