import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lendSecrets, pipConf } from '../../src/build/machine-settings.ts';
import type { Input } from '../../src/plan/input.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

const mount = (id: string, text: string): Input => ({ kind: 'mount', type: 'secret', id, text });

describe('what the machine lends to a build', () => {
  it('is what the mounts name and the configuration does not give', async () => {
    const ca = join(folder, 'bundle.pem');
    await writeFile(ca, 'certificates');
    const inputs = [
      mount('ca', 'type=secret,id=ca,target=/run/secrets/ca.pem,required=false'),
      mount('pipconf', 'type=secret,id=pipconf,target=/etc/pip.conf'),
      mount('token', 'type=secret,id=token'),
    ];
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
    expect(await lendSecrets([], [], env, folder)).toEqual([]);
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
