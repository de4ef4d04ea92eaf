import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { layerTag } from '../../src/store/layer-tags.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { findSaved, saveLayer } from '../../src/store/saved-layer.ts';
import { startMemoryRegistry, type Fault, type MemoryRegistry } from '../support/registry-memory.ts';
import { putImage, type TestImage } from './content.ts';

const fingerprint = 'cd'.repeat(32);
const platform = { os: 'linux', architecture: 'amd64' };
let registry: MemoryRegistry;
let image: TestImage;

const open = () =>
  new RegistryStore(registry.host, 'acme', {
    credentials: async () => undefined,
    retry: { attempts: 3, first: 2, longest: 5, patience: 100 },
    headersTimeout: 300,
    bodyTimeout: 300,
  });
async function save(content: string) {
  const store = open();
  const saved = await putImage(store, 'service', undefined, [content]);
  const layer = { layer: 's', platform, fingerprint, image: saved, parents: {}, inputs: [] };
  return { saved, result: await saveLayer(store, 'service', layer) };
}

beforeEach(async () => {
  registry = await startMemoryRegistry();
  image = (await save('one')).saved;
});
afterEach(() => registry.close());

describe('a registry that misbehaves: never a wrong reuse, and never missing when it is only unreachable', () => {
  const unreachable: Record<string, Fault> = {
    '500': { status: 500 },
    '502': { status: 502, body: '<html>bad gateway</html>' },
    '429': { status: 429 },
    '403': { status: 403, body: '{"errors":[{"code":"DENIED"}]}' },
    '401 without a challenge': { status: 401 },
    cut: { cut: 0 },
    'cut in the middle': { cut: 20 },
    slow: { delay: 2000 },
  };
  for (const [name, fault] of Object.entries(unreachable)) {
    it(`answering ${name}: a Failure that says what to do`, async () => {
      registry.fault = ({ path }) => (path.includes('/manifests/') ? fault : undefined);
      const error = (await findSaved(open(), 'service', fingerprint).catch((caught: unknown) => caught)) as Failure;
      expect(error).toBeInstanceOf(Failure);
      expect(error).not.toBeInstanceOf(BrokenContent);
      expect(error.fix).toBeTruthy();
    });

    it(`answering ${name} at random while saving: afterwards the layer is whole, the old or the new one`, async () => {
      let count = 0;
      registry.fault = () => (++count % 7 === 3 ? fault : undefined);
      await save('two').catch((error: unknown) => expect(error).toBeInstanceOf(Failure));
      registry.fault = () => undefined;
      const found = await findSaved(open(), 'service', fingerprint);
      if (found.kind === 'saved') {
        for (const blob of found.manifest.layers) await (await open().openBlob('service', blob)).toArray();
      } else expect(found.kind).toBe('broken');
      await save('two');
      expect(await findSaved(open(), 'service', fingerprint)).toMatchObject({ kind: 'saved' });
    });
  }

  it('answering 404: missing, so it is built', async () => {
    registry.fault = () => ({ status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' });
    expect(await findSaved(open(), 'service', fingerprint)).toEqual({ kind: 'missing' });
  });

  it('flipped byte in a manifest: broken', async () => {
    registry.fault = ({ method, path }) =>
      method === 'GET' && path.includes('/manifests/fp-') ? { flip: true } : undefined;
    expect(await findSaved(open(), 'service', fingerprint)).toMatchObject({ kind: 'broken' });
  });

  it('tag pointing at garbage: broken, and the next save mends it', async () => {
    registry.manifests.set(`acme/service:${layerTag(fingerprint)}`, {
      bytes: Buffer.from('garbage'),
      type: 'text/plain',
    });
    expect(await findSaved(open(), 'service', fingerprint)).toMatchObject({ kind: 'broken' });
    await save('one');
    expect(await findSaved(open(), 'service', fingerprint)).toMatchObject({
      kind: 'saved',
      digest: image.descriptor.digest,
    });
  });

  it('a tag that is gone when it is read back is told', async () => {
    registry.fault = ({ method, path }) =>
      method === 'HEAD' && path.includes('/manifests/') ? { status: 404 } : undefined;
    await expect(save('one')).rejects.toThrow(/not there when it is read back/);
  });
});
