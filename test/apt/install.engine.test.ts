import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { baseImage } from '../../scripts/support/base-image.ts';
import { run, runChecked } from '../../src/process/run.ts';
import type { SigningKey } from '../../src/signing/openpgp.ts';
import { newFolder, newKey, publishWith } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';
import { serve, type WebServer } from './support/web-server.ts';

const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

/** For 127.0.0.1, signed by itself. */
async function certificate(): Promise<{ key: Buffer; cert: Buffer }> {
  await installPackages(['openssl'], () => {});
  const [key, cert] = ['key', 'cert'].map((name) => join(newFolder('tls'), `${name}.pem`)) as [string, string];
  const what = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=imgbuild tests'];
  await runChecked('openssl', ['req', ...what, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]);
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** APT_SUITES in the environment adds others that the machine's mirror has, such as `bullseye sid`. */
const codenames = ['bookworm', 'trixie', ...(process.env['APT_SUITES']?.split(' ') ?? [])];

/** Stock apt in a system of its own, made by debootstrap, that speaks HTTP to a folder that imgbuild has published. */
describe.each(codenames)('apt of Debian %s', (codename) => {
  let root: string;
  let key: SigningKey;
  let other: SigningKey;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), `imgbuild-apt-${codename}-`));
    await runChecked('tar', ['-xf', await baseImage(codename), '-C', root]);
    rmSync(join(root, 'etc/apt/sources.list'), { force: true });
    rmSync(join(root, 'etc/apt/sources.list.d'), { recursive: true, force: true });
    mkdirSync(join(root, 'etc/apt/sources.list.d'));
    mkdirSync(join(root, 'usr/share/keyrings'), { recursive: true });
    [key, other] = await Promise.all([newKey(), newKey('Other packages <other@example.com>')]);
  }, 300_000);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  let site: string;
  let debs: string;
  let web: WebServer;
  beforeEach(async () => {
    site = newFolder('site');
    debs = newFolder('debs');
    web = await serve(site);
  });
  afterEach(async () => {
    await web.close();
    await inRoot('apt-get', '-y', '-q', 'purge', 'hello-imgbuild', 'ccai-archive-keyring');
    // It takes what it has fetched before under a name, and looks at the size alone.
    await inRoot('apt-get', 'clean');
    for (const folder of ['etc/apt/sources.list.d', 'usr/share/keyrings', 'var/lib/apt/lists']) {
      for (const name of readdirSync(join(root, folder))) {
        if (name.startsWith('ccai') || folder.endsWith('lists')) rmSync(join(root, folder, name), { recursive: true });
      }
    }
  });

  const inRoot = async (...command: string[]) => {
    const { exitCode, stdout, stderr } = await run('chroot', [root, ...command], { env: environment });
    return { exitCode, output: `${stdout}${stderr}` };
  };
  const apt = (...args: string[]) => inRoot('apt-get', '-y', '-q', ...args);
  const works = async (...args: string[]) => {
    const { exitCode, output } = await apt(...args);
    expect(exitCode, output).toBe(0);
    return output;
  };
  /** apt-get update says what it could not trust as a warning where it has older lists; here it must be an error. */
  const update = () => apt('-o', 'APT::Update::Error-Mode=any', 'update');
  const refusesUpdate = async (...because: RegExp[]) => {
    const { exitCode, output } = await update();
    expect(exitCode, output).not.toBe(0);
    for (const each of because) expect(output).toMatch(each);
  };
  const updates = async () => {
    const { exitCode, output } = await update();
    expect(exitCode, output).toBe(0);
    return output;
  };
  const installed = async (name = 'hello-imgbuild') => {
    const { exitCode, output } = await inRoot('dpkg-query', '-W', '-f', '${db:Status-Status} ${Version}', name);
    return exitCode === 0 && output.startsWith('installed ') ? output.slice('installed '.length) : undefined;
  };
  const put = (version: string) => makeDeb(debs, { name: 'hello-imgbuild', version });
  const publishNow = (more: Partial<Parameters<typeof publishWith>[0]> = {}) =>
    publishWith({ site, debs, keys: [key], baseUrl: web.url, ...more });
  /** What the page tells users to do: copy the keys and the sources. */
  const subscribe = () => {
    copyFileSync(join(site, 'ccai.sources'), join(root, 'etc/apt/sources.list.d/ccai.sources'));
    copyFileSync(join(site, 'ccai-archive-keyring.gpg'), join(root, 'usr/share/keyrings/ccai-archive-keyring.gpg'));
  };

  test('installs, upgrades, and refuses to downgrade unasked', async () => {
    await put('1.0~rc.1');
    await publishNow();
    subscribe();
    expect(await updates()).not.toMatch(/^[WNE]:/m);
    await works('install', 'hello-imgbuild', 'ccai-archive-keyring');
    expect(await installed()).toBe('1.0~rc.1');
    expect(await installed('ccai-archive-keyring')).toBe('1');
    await put('1:0.9');
    await publishNow();
    await updates();
    await works('upgrade');
    expect(await installed()).toBe('1:0.9');
    const back = await apt('install', 'hello-imgbuild=1.0~rc.1');
    expect(back.exitCode).not.toBe(0);
    expect(back.output).toMatch(/allow-downgrades/);
    expect(await installed()).toBe('1:0.9');
    await works('install', '--allow-downgrades', 'hello-imgbuild=1.0~rc.1');
    expect(await installed()).toBe('1.0~rc.1');
  });

  test('refuses a tampered deb', async () => {
    const bytes = readFileSync(await put('1.0'));
    await publishNow();
    subscribe();
    await updates();
    bytes[bytes.length - 3]! ^= 1;
    web.intercept = (path, response) => path.endsWith('.deb') && Boolean(response.end(bytes));
    const { exitCode, output } = await apt('install', 'hello-imgbuild');
    expect(exitCode).not.toBe(0);
    expect(output).toMatch(/Hash Sum mismatch/);
    expect(await installed()).toBeUndefined();
  });

  test('refuses a tampered index', async () => {
    await put('1.0');
    await publishNow();
    subscribe();
    const packed = readFileSync(join(site, 'dists/stable/main/binary-all/Packages.xz'));
    packed[20]! ^= 1;
    web.intercept = (path, response) => path.includes('/binary-') && Boolean(response.end(packed));
    await refusesUpdate(/Hash Sum mismatch|unexpected size/);
  });

  test('refuses a Release that was changed after it was signed', async () => {
    await put('1.0');
    await publishNow();
    subscribe();
    const text = readFileSync(join(site, 'dists/stable/InRelease'), 'utf8').replace(
      'Components: main',
      'Components: evil',
    );
    web.intercept = (path, response) => path.endsWith('/InRelease') && Boolean(response.end(text));
    await refusesUpdate(/BADSIG|not signed|invalid|[Bb]ad signature|Message has been manipulated|Verifying signature/);
  });

  test('refuses an expired Release', async () => {
    await put('1.0');
    await publishNow({ validDays: 1, now: new Date(Date.now() - 3 * 86_400_000) });
    subscribe();
    await refusesUpdate(/is expired/);
    await publishNow({ debs: undefined, validDays: 1 });
    await updates();
  });

  test('refuses what another key has signed', async () => {
    await put('1.0');
    await publishNow();
    subscribe();
    await publishNow({ keys: [other], adopt: true });
    await refusesUpdate(/NO_PUBKEY|Missing key/);
  });

  test('follows a key rotation', async () => {
    await put('1.0');
    await publishNow();
    subscribe();
    await updates();
    await works('install', 'hello-imgbuild', 'ccai-archive-keyring');
    const ring = join(root, 'usr/share/keyrings/ccai-archive-keyring.gpg');
    const oldRing = readFileSync(ring);

    // Both sign: who has the old key alone accepts it, and gets the new one.
    await publishNow({ keys: [other, key] });
    await updates();
    await works('upgrade');
    expect(await installed('ccai-archive-keyring')).toBe('2');
    // The new one alone.
    await put('1.1');
    await publishNow({ keys: [other] });
    await updates();
    await works('upgrade');
    expect(await installed()).toBe('1.1');
    expect(await installed('ccai-archive-keyring')).toBe('3');
    // Who slept all the while has to fetch the keys by hand.
    writeFileSync(ring, oldRing);
    rmSync(join(root, 'var/lib/apt/lists'), { recursive: true });
    mkdirSync(join(root, 'var/lib/apt/lists/partial'), { recursive: true });
    await refusesUpdate(/NO_PUBKEY|Missing key/);
  });

  test('gets the old archive whole when a new one is published while it reads', async () => {
    await put('1.0');
    await publishNow();
    subscribe();
    let done = false;
    const before = readFileSync(join(site, 'dists/stable/InRelease'));
    web.intercept = async (path, response) => {
      if (!path.endsWith('/InRelease') || done) return false;
      done = true;
      await put('1.1');
      await publishNow();
      response.end(before);
      return true;
    };
    await updates();
    await works('install', 'hello-imgbuild');
    expect(await installed()).toBe('1.0');
    await updates();
    await works('upgrade');
    expect(await installed()).toBe('1.1');
  });

  test('finds indexes on Pages and packages as assets of releases, by mirror+https', async () => {
    const assets = newFolder('assets');
    const tls = await certificate();
    writeFileSync(join(root, 'ca.pem'), tls.cert);
    writeFileSync(join(root, 'etc/apt/apt.conf.d/99-ca'), 'Acquire::https::CaInfo "/ca.pem";\n');
    const hub = await serve(assets, tls);
    const pages = await serve(site, tls);
    try {
      const release = (tag: string) => ({ url: `${hub.url}download/${tag}`, folder: join(assets, 'download', tag) });
      // As the real one, it sends readers on to where the files are.
      hub.intercept = (path, response) =>
        path.startsWith('/download/') && Boolean(response.writeHead(302, { location: `${hub.url}cdn${path}` }).end());
      await put('1.0~rc.1');
      await publishNow({ baseUrl: pages.url, assets: release('v1.0-rc.1') });
      await put('1:1.0+5');
      await publishNow({ baseUrl: undefined, assets: release('v1.0') });
      await runChecked('ln', ['-s', '.', join(assets, 'cdn')]);
      expect(existsSync(join(site, 'pool'))).toBe(false);
      subscribe();
      expect(readFileSync(join(root, 'etc/apt/sources.list.d/ccai.sources'), 'utf8')).toContain(
        'URIs: mirror+https://',
      );
      expect(await updates()).not.toMatch(/^[WNE]:/m);
      await works('install', 'hello-imgbuild=1.0~rc.1');
      expect(await installed()).toBe('1.0~rc.1');
      await works('upgrade');
      expect(await installed()).toBe('1:1.0+5');
      expect(hub.requests.filter((path) => path.startsWith('/cdn/')).map((path) => basename(path))).toEqual([
        'hello-imgbuild_1.0.rc.1_all.deb',
        'hello-imgbuild_1.1.0+5_all.deb',
      ]);
      expect(pages.requests.filter((path) => path.endsWith('.deb'))).toEqual([]);
    } finally {
      await hub.close();
      await pages.close();
    }
  });
});
