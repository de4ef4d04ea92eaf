/** Run as a process of its own: saves one layer after the other until it is killed, and says each that is saved. */
import { writeSync } from 'node:fs';
import { LayoutStore } from '../../src/store/layout.ts';
import { saveLayer } from '../../src/store/saved-layer.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { putImage } from './content.ts';

const [path, seed] = process.argv.slice(2) as [string, string];
const store = new LayoutStore(path);
const platform = { os: 'linux', architecture: 'amd64' };
writeSync(1, 'ready\n');
for (let index = 0; ; index++) {
  const fingerprint = hexOf(digestOf(`${seed} ${index}`));
  const contents = [`shared by all`, `${seed} ${index}`.repeat(1 + ((index * 7919) % 20_000))];
  const image = await putImage(store, 'service', undefined, contents);
  const inputs = [{ kind: 'target' as const, value: fingerprint }];
  await saveLayer(store, 'service', { layer: 's', platform, fingerprint, image, parents: {}, inputs, branch: 'main' });
  writeSync(1, `${fingerprint} ${image.descriptor.digest}\n`);
}
