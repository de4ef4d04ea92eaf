import { expect, test } from 'vitest';
import { formatStoreAddress, parseStoreAddress, storeOfRepository } from '../../src/config/store-address.ts';

test.each([
  ['oci:store', { kind: 'folder', path: '/r/store', text: 'store' }, 'oci:store'],
  ['./.imgbuild/store', { kind: 'folder', path: '/r/.imgbuild/store', text: '.imgbuild/store' }, 'oci:.imgbuild/store'],
  ['/srv/store', { kind: 'folder', path: '/srv/store', text: '/srv/store' }, 'oci:/srv/store'],
  ['../store', { kind: 'folder', path: '/store', text: '../store' }, 'oci:../store'],
  ['ghcr.io/acme/ccai', { kind: 'registry', registry: 'ghcr.io', path: 'acme/ccai' }, 'ghcr.io/acme/ccai'],
  ['localhost:5000/x', { kind: 'registry', registry: 'localhost:5000', path: 'x' }, 'localhost:5000/x'],
  ['localhost/x', { kind: 'registry', registry: 'localhost', path: 'x' }, 'localhost/x'],
])('%s', (text, expected, shown) => {
  const address = parseStoreAddress(text, '/r');
  expect(address).toEqual(expected);
  expect(formatStoreAddress(address)).toBe(shown);
});

test.each(['acme/ccai', 'ghcr.io', 'ghcr.io/', 'GHCR.io/Acme/x', 'https://ghcr.io/x', 'oci:', '', 'ghcr.io/a//b'])(
  'refuses %j',
  (text) => expect(() => parseStoreAddress(text, '/r')).toThrow(),
);

test("a workflow's own repository in lower case", () => {
  expect(formatStoreAddress(storeOfRepository('Acme/CCAI'))).toBe('ghcr.io/acme/ccai');
});
