import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { runChecked } from '../../src/process/run.ts';
import { startDistribution, type RegistryProcess } from './registry-process.ts';
import { startTokenService } from './registry-token.ts';

export interface RegistriesForTests {
  /** docker-registry 2.8 of the distribution, plain HTTP, open to all. `data` is its folder. */
  plain: { host: string; data: string };
  /** The same behind TLS with an authority of our own, and a password. `ca` is the authority's PEM file. */
  secured: { host: string; user: string; password: string; ca: string };
  /** The same with a token service; its tokens live for some seconds. Below `public/` everybody may pull. */
  tokens: { host: string; user: string; password: string };
  /** distribution v3, where Go is there to build it. */
  v3: { available: true; host: string } | { available: false; because: string };
}

declare module 'vitest' {
  export interface ProvidedContext {
    registries: RegistriesForTests;
  }
}

const version = 'v3.0.0';
const tools = resolve(import.meta.dirname, '../../.tools');
const note = (text: string) => process.stderr.write(`registries: ${text}\n`);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
  };
  const started = async (registry: Promise<RegistryProcess>) => {
    const process = await registry;
    stops.push(() => process.stop());
    return process;
  };
  try {
    // skopeo and umoci read what we write; openssl makes the authority.
    await installPackages(['docker-registry', 'skopeo', 'umoci', 'openssl'], note);
    const program = findProgram('docker-registry')!;
    const folder = await mkdtemp(join(tmpdir(), 'imgbuild-registries-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const [user, password] = ['builder', 'correct horse battery'];

    const plain = await started(startDistribution({ program }));

    const ca = await makeAuthority(folder);
    const crypted = await runChecked('perl', ['-e', 'print crypt(shift, q($2y$05$abcdefghijklmnopqrstuu))', password]);
    const tls = { certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') };
    const secured = await started(startDistribution({ program, tls, htpasswd: `${user}:${crypted}\n` }));

    const [key, certificate] = [join(folder, 'ca.key'), ca];
    const service = await startTokenService({
      key: await readFile(key, 'utf8'),
      certificate: await readFile(certificate, 'utf8'),
      user,
      password,
      lifetime: 5,
    });
    stops.push(() => service.close());
    const { realm, issuer } = service;
    const token = { realm, issuer, service: service.service, certificate };
    const tokens = await started(startDistribution({ program, token }));

    const built = await distributionV3();
    const v3: RegistriesForTests['v3'] = built.available
      ? { available: true, host: (await started(startDistribution({ program: built.path }))).host }
      : built;

    project.provide('registries', {
      plain: { host: plain.host, data: plain.data },
      secured: { host: secured.host, user, password, ca },
      tokens: { host: tokens.host, user, password },
      v3,
    });
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An authority and a certificate for localhost that it signed. */
async function makeAuthority(folder: string): Promise<string> {
  const file = (name: string) => join(folder, name);
  const subject = (name: string) => ['-subj', `/CN=${name}`];
  const rsa = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const openssl = (...args: string[]) => runChecked('openssl', args);
  await openssl(
    'req',
    '-x509',
    ...rsa,
    ...subject('imgbuild tests'),
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  );
  const request = ['req', ...rsa.slice(0, 3), ...subject('localhost'), '-keyout', file('server.key')];
  await openssl(...request, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-out', file('server.csr'));
  const signing = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-copy_extensions', 'copy'];
  await openssl('x509', '-req', '-in', file('server.csr'), '-days', '2', ...signing, '-out', file('server.pem'));
  return file('ca.pem');
}

/** Built once into .tools, aside and renamed: two runs may do so at once. */
async function distributionV3(): Promise<{ available: true; path: string } | { available: false; because: string }> {
  const path = join(tools, 'bin', `registry-${version}`);
  if (existsSync(path)) return { available: true, path };
  if (findProgram('go') === undefined)
    return { available: false, because: 'Go is not installed: distribution v3 is built with it' };
  note(`building distribution ${version}`);
  await mkdir(join(tools, 'bin'), { recursive: true });
  const aside = await mkdtemp(join(tools, 'go-'));
  try {
    const module = `github.com/distribution/distribution/v3/cmd/registry@${version}`;
    await runChecked('go', ['install', module], { env: { ...process.env, GOBIN: aside } });
    await rename(join(aside, 'registry'), path);
    return { available: true, path };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
