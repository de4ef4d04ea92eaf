import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeDockerConfig, parseLogins, removeDockerConfig } from '../../src/actions/docker-config.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'imgbuild-login-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const ghcr = { registry: 'ghcr.io', username: 'octo', password: 'token' };
const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
const configIn = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as unknown;

describe('the private DOCKER_CONFIG', () => {
  test('holds the logins, readable by its owner alone, and is gone afterwards', async () => {
    const { folder, environment } = await makeDockerConfig(home, { HOME: home }, parseLogins(['reg:5000 u p q']), [
      ghcr,
    ]);
    expect(environment.DOCKER_CONFIG).toBe(folder);
    expect(configIn(folder)).toEqual({ auths: { 'ghcr.io': auth('octo:token'), 'reg:5000': auth('u:p q') } });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'config.json')).mode & 0o777).toBe(0o600);
    await removeDockerConfig(folder);
    expect(existsSync(folder)).toBe(false);
  });

  test("keeps Docker's own settings, plugins and builders, and leaves them untouched", async () => {
    const own = join(home, '.docker');
    mkdirSync(join(own, 'cli-plugins'), { recursive: true });
    writeFileSync(join(own, 'cli-plugins/docker-buildx'), 'x');
    writeFileSync(join(own, 'config.json'), '{"proxies":{"default":{"httpProxy":"http://p"}}}');
    const { folder, environment } = await makeDockerConfig(home, { HOME: home }, [], [ghcr]);
    expect(configIn(folder)).toMatchObject({ proxies: { default: { httpProxy: 'http://p' } } });
    expect(readFileSync(join(folder, 'cli-plugins/docker-buildx'), 'utf8')).toBe('x');
    expect(environment.BUILDX_CONFIG).toBe(join(own, 'buildx'));
    await removeDockerConfig(folder);
    expect(readdirSync(own).toSorted()).toEqual(['cli-plugins', 'config.json']);
    expect(existsSync(join(own, 'cli-plugins/docker-buildx'))).toBe(true);
    expect(configIn(own)).not.toHaveProperty('auths');
  });

  test('an earlier login of the job goes before the token, and `logins` before both', async () => {
    const own = join(home, 'cfg');
    mkdirSync(own);
    writeFileSync(join(own, 'config.json'), JSON.stringify({ auths: { 'ghcr.io': auth('bot:pat') } }));
    const env = { DOCKER_CONFIG: own };
    const kept = await makeDockerConfig(home, env, [], [ghcr]);
    expect(configIn(kept.folder)).toEqual({ auths: { 'ghcr.io': auth('bot:pat') } });
    const given = await makeDockerConfig(home, env, parseLogins(['ghcr.io me mine']), [ghcr]);
    expect(configIn(given.folder)).toEqual({ auths: { 'ghcr.io': auth('me:mine') } });
  });

  test('a credential helper does not hide a login', async () => {
    const own = join(home, 'cfg');
    mkdirSync(own);
    writeFileSync(join(own, 'config.json'), '{"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud"}}');
    const { folder } = await makeDockerConfig(home, { DOCKER_CONFIG: own }, [], [ghcr]);
    expect(configIn(folder)).toMatchObject({
      credsStore: 'desktop',
      credHelpers: { 'gcr.io': 'gcloud', 'ghcr.io': '' },
    });
  });

  test('a broken line is named by its number, never by its text', () => {
    expect(() => parseLogins(['', 'ghcr.io only-a-secret'])).toThrow(/line 2 is not HOST USER PASSWORD/);
    expect(() => parseLogins(['ghcr.io only-a-secret'])).not.toThrow(/only-a-secret/);
  });
});
