import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lendSecrets, pipConf } from '../../src/build/machine-settings.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import type { Input } from '../../src/plan/input.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** What a Dockerfile with these RUNs reads, as far as secrets go. */
const mounting = (...runs: string[][]) => {
  const mount = (text: string): Input => ({
    kind: 'mount',
    type: 'secret',
    id: /id=(\w+)/.exec(text)![1]!,
    text: `type=secret,${text}`,
  });
  const lines = runs.map((run) => `RUN ${run.map((text) => `--mount=type=secret,${text} `).join('')}true`);
  const { instructions } = parseDockerfile(['FROM scratch', ...lines, ''].join('\n'), 'Dockerfile');
  return { inputs: runs.flat().map(mount), instructions };
};

describe('what the machine lends to a build', () => {
  it('is what the mounts name and the configuration does not give', async () => {
    const ca = join(folder, 'bundle.pem');
    await writeFile(ca, 'certificates');
    const inputs = mounting([
      'id=ca,target=/run/secrets/ca.pem,required=false',
      'id=pipconf,target=/etc/pip.conf',
      'id=token',
    ]);
    const env = { SSL_CERT_FILE: ca, PIP_INDEX_URL: 'http://mirror.invalid/simple' };
    const lent = await lendSecrets(inputs, [], env, folder);
    expect(lent.map(({ id }) => id)).toEqual(['ca', 'pipconf']);
    expect(lent[0]).toMatchObject({ from: 'file', path: ca });
    const made = lent[1] as { path: string };
    const text = await readFile(made.path, 'utf8');
    expect(text).toContain('index-url = http://mirror.invalid/simple\n');
    expect(text).toContain('cert = /run/secrets/ca.pem\n');
    expect((await stat(made.path)).mode & 0o777).toBe(0o600);
    expect(await lendSecrets(inputs, [{ id: 'ca', from: 'env', name: 'X' }], env, folder)).toHaveLength(1);
    expect(await lendSecrets(mounting(), [], env, folder)).toEqual([]);
  });

  it('tells pip of certificates only where every RUN that reads its settings has them', async () => {
    const ca = join(folder, 'bundle.pem');
    await writeFile(ca, 'certificates');
    const env = { SSL_CERT_FILE: ca, PIP_INDEX_URL: 'http://mirror.invalid/simple' };
    const pip = 'id=pipconf,target=/etc/pip.conf';
    const lentTo = async (...runs: string[][]) => {
      const lent = await lendSecrets(mounting(...runs), [], env, folder);
      const file = lent.find(({ id }) => id === 'pipconf') as { path: string };
      return /cert = .*/.exec(await readFile(file.path, 'utf8'))?.[0];
    };
    expect(await lentTo([pip, 'id=ca'], ['id=ca'])).toBe('cert = /run/secrets/ca');
    expect(await lentTo([pip, 'id=ca'], [pip])).toBeUndefined();
    expect(await lentTo([pip, 'id=ca'], [pip, 'id=ca,target=/elsewhere'])).toBeUndefined();
  });

  it('takes from pip.conf only where packages come from, the later file before the earlier', () => {
    const first = '[global]\nindex-url = http://one.invalid\ntarget = /somewhere\ncert = /machine/only.pem\n';
    const second =
      '# comment\n[install]\nextra-index-url =\n    http://two.invalid\n    http://three.invalid\n[list]\nformat = json\n[global]\nindex_url: http://four.invalid\n';
    expect(pipConf([first, second], {}, undefined)).toBe(
      '[global]\nindex-url = http://four.invalid\nextra-index-url = \n    http://two.invalid\n    http://three.invalid\n',
    );
    expect(pipConf([], {}, undefined)).toBe('');
  });
});
