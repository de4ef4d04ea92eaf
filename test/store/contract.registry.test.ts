import { readFile } from 'node:fs/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, inject, it } from 'vitest';
import type { CredentialSource } from '../../src/registry/credentials.ts';
import { closeDispatchers } from '../../src/registry/dispatcher.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startGhcrProxy, type GhcrProxy } from '../support/ghcr-proxy.ts';
import { describeStore, type ContractOptions } from './contract.ts';

const { plain, secured, tokens, v3 } = inject('registries');
const ways: ContractOptions = { sharing: 'mounted', repositories: 'apart' };
const login =
  ({ user, password }: { user: string; password: string }): CredentialSource =>
  async () => ({ kind: 'password', user, password });

describeStore('docker-registry 2.8', () => new RegistryStore(plain.host, 'acme/ccai'), ways);

describe('with TLS', () => {
  const before = getCACertificates('default');
  beforeAll(async () => {
    setDefaultCACertificates([...before, await readFile(secured.ca, 'utf8')]);
    await closeDispatchers();
  });
  afterAll(() => setDefaultCACertificates(before));
  const credentials = login(secured);
  describeStore('with a password over TLS', () => new RegistryStore(secured.host, 'acme', { credentials }), ways);
});

describeStore(
  'docker-registry 2.8 with tokens that end soon',
  () => new RegistryStore(tokens.host, 'acme/ccai', { credentials: login(tokens) }),
  ways,
);

if (v3.available) describeStore('distribution v3', () => new RegistryStore(v3.host, 'acme/ccai'), ways);
else it.skip(`store contract: distribution v3 (${v3.because})`, () => {});

describe('behind a proxy', () => {
  let proxy: GhcrProxy;
  beforeAll(async () => {
    proxy = await startGhcrProxy(plain.host);
  });
  afterAll(() => proxy.close());
  const open = () => new RegistryStore(proxy.host, 'acme/ghcr', { credentials: login(proxy.writer) });
  describeStore("with GHCR's ways", open, ways);
});
