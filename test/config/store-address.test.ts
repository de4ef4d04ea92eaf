import { expect, test } from 'vitest';
import { parseStoreAddress } from '../../src/config/store-address.ts';

test.each([
  ['oci:store', { kind: 'folder', path: '/r/store', text: 'store' }],
  ['./.imgbuild/store', { kind: 'folder', path: '/r/.imgbuild/store', text: '.imgbuild/store' }],
  ['/srv/store', { kind: 'folder', path: '/srv/store', text: '/srv/store' }],
  ['../store', { kind: 'folder', path: '/store', text: '../store' }],
  ['ghcr.io/acme/ccai', { kind: 'registry', registry: 'ghcr.io', path: 'acme/ccai' }],
  ['localhost:5000/x', { kind: 'registry', registry: 'localhost:5000', path: 'x' }],
  ['localhost/x', { kind: 'registry', registry: 'localhost', path: 'x' }],
])('%s', (text, expected) => expect(parseStoreAddress(text, '/r')).toEqual(expected));

test.each(['acme/ccai', 'ghcr.io', 'ghcr.io/', 'GHCR.io/Acme/x', 'https://ghcr.io/x', 'oci:', '', 'ghcr.io/a//b'])(
  'refuses %j',
  (text) => expect(() => parseStoreAddress(text, '/r')).toThrow(),
);
