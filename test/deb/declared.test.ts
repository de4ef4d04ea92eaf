import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../src/deb/check.ts';
import type { PlannedDeb } from '../../src/deb/planned-deb.ts';
import { assembleScripts, noSnippets } from '../../src/deb/maintainer-scripts.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { pack, packOne } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

const files = {
  'package/monitor.service':
    '[Unit]\nDescription=m\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
  'package/plain.service': '[Service]\nExecStart=/bin/true\n',
  'package/odd name.service': '[Service]\n',
  'package/work@.service': '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
  'package/ccai.sysusers': 'u ccai -\n',
  'package/ccai.tmpfiles': 'd /run/ccai 0755 ccai ccai\n',
  'package/postinst': '#!/bin/sh\nset -e\necho before\n#DEBHELPER#\necho after\n',
  'package/postinst-bare': '#!/bin/sh\nexit 0\n',
  'package/changelog':
    'ccai-files (1.2.0) stable; urgency=medium\n\n  * x\n\n -- A <a@example.com>  Thu, 01 Jan 1970 00:00:00 +0000\n',
  'package/copyright': 'All of it is ours.\n',
  'config/a.conf': 'a=1\n',
  'config/b.conf': 'b=1\n',
};

const project = (entry: object, more: object = {}) => makeProject({ 'ccai-files': deb(entry) }, files, more);

async function plan(entry: object, more: object = {}): Promise<PlannedDeb> {
  return (await checkDebs(project(entry, more), undefined, { version: '1.2.0' })).planned[0]!;
}

async function refusal(entry: object): Promise<Failure[]> {
  const error = await plan(entry).catch((caught: unknown) => caught);
  return error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : [];
}

const listing = (file: string) =>
  execFileSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -tv --numeric-owner', 'sh', file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /, ' '));

describe('contents of the kind', () => {
  test('dir, file and config have modes and owners, and ghost and symlink have none', async () => {
    const { file } = await packOne(
      project({
        contents: [
          { type: 'dir', dst: '/var/lib/ccai', mode: '0750', owner: 'www-data', group: '4' },
          { src: 'config/a.conf', dst: '/opt/ccai/a.conf', mode: '0640', owner: '1001', group: 'adm' },
          { type: 'config', src: 'config/b.conf', dst: '/opt/ccai/' },
          { type: 'symlink', src: '../ccai/a.conf', dst: '/opt/ccai/current' },
          { type: 'ghost', dst: '/var/log/ccai.log' },
        ],
      }),
    );
    expect(listing(file)).toEqual(
      expect.arrayContaining([
        'drwxr-x--- 33/4 ./var/lib/ccai/',
        '-rw-r----- 1001/4 ./opt/ccai/a.conf',
        '-rw-r--r-- 0/0 ./opt/ccai/b.conf',
        'lrwxrwxrwx 0/0 ./opt/ccai/current -> ../ccai/a.conf',
      ]),
    );
    const info = (member: string) => execFileSync('dpkg-deb', ['-I', file, member], { encoding: 'utf8' });
    expect(info('conffiles')).toBe('/opt/ccai/b.conf\n');
    expect(info('postrm')).toContain('rm -f /var/log/ccai.log\n');
    expect(listing(file).filter((line) => line.includes('ccai.log'))).toEqual([]);
  });

  test('with an owner that only the device knows belong to root until postinst gives them away', async () => {
    const contents = [{ src: 'config/a.conf', dst: '/opt/ccai/', mode: '4750', owner: 'ccai', group: 'ccai' }];
    const { file } = await packOne(project({ contents }));
    expect(listing(file)).toContain('-rwxr-x--- 0/0 ./opt/ccai/a.conf');
    const postinst = execFileSync('dpkg-deb', ['-I', file, 'postinst'], { encoding: 'utf8' });
    expect(postinst).toContain('ccai:ccai\t4750\t/opt/ccai/a.conf\n');
    execFileSync('sh', ['-n'], { input: postinst });
  });

  test('with an owner that nothing makes are told of', async () => {
    const contents = [{ src: 'config/a.conf', dst: '/opt/ccai/', owner: 'ccia', group: 'adm' }];
    const warnings = async (more: object) => (await plan({ contents, ...more })).warnings;
    expect(await warnings({})).toEqual([
      'ccai-files: /opt/ccai/a.conf belongs to ccia, which nothing makes: name it in sysusers',
    ]);
    expect(await warnings({ sysusers: 'package/ccai.sysusers' })).toEqual([
      expect.stringContaining('did you mean ccai?'),
    ]);
    expect(await warnings({ depends: ['brings-ccia'] })).toEqual([]);
    contents[0]!.owner = 'ccai';
    expect(await warnings({ sysusers: 'package/ccai.sysusers' })).toEqual([]);
  });

  test.each<[object, string]>([
    [{ type: 'dir', src: 'config', dst: '/x' }, 'a dir is made, not copied'],
    [{ type: 'ghost', dst: '/x', mode: '0644' }, 'a ghost is made on the device'],
    [{ type: 'ghost', dst: '/x/' }, 'a ghost is one file'],
    [{ type: 'symlink', src: 'a', dst: '/x', owner: 'root' }, 'a link has none of its own'],
    [{ type: 'symlink', src: 'a\nb', dst: '/x' }, 'this is no target of a link'],
    [{ dst: '/x' }, 'there is no src'],
    [{ src: 'config', dst: 'x' }, 'a path on the device is absolute'],
    [{ src: 'config', dst: '/x/../y' }, 'the path contains ..'],
    [{ src: 'config', dst: '/x', mode: '0999' }, 'this is not a file mode'],
    [{ src: 'config', dst: '/x', owner: 'Root User' }, 'this is not the name of a user or group'],
    [{ src: 'config', dst: '/x', type: 'device' }, 'type'],
  ])('%j is refused', (content, because) => {
    expect(() => project({ contents: [content] })).toThrow(because);
  });

  test('ghost that is packed, too, is refused', async () => {
    const contents = [
      { src: 'config', dst: '/opt/x' },
      { type: 'ghost', dst: '/opt/x/a.conf' },
    ];
    expect((await refusal({ contents }))[0]!.because).toContain('/opt/x/a.conf is packed, and a ghost');
  });
});

describe('units', () => {
  test('are put in their place, enabled and started, and restarted by an upgrade', async () => {
    const { entries, scripts } = await plan({ units: [{ src: 'package/monitor.service' }] });
    expect(entries.map(({ path }) => path)).toContain('usr/lib/systemd/system/monitor.service');
    expect(scripts.postinst).toContain("deb-systemd-helper enable 'monitor.service'");
    expect(scripts.postinst).toContain("deb-systemd-invoke $_dh_action 'monitor.service'");
    expect(scripts.prerm).toContain("deb-systemd-invoke stop 'monitor.service'");
    expect(scripts.postrm).toContain("deb-systemd-helper purge 'monitor.service'");
    expect(scripts.preinst).toBeUndefined();
  });

  test('that say otherwise are left alone, stopped, or not enabled', async () => {
    const { scripts } = await plan({
      units: [
        { src: 'package/monitor.service', enable: false, start: false, upgrade: 'leave' },
        { src: 'package/plain.service', upgrade: 'stop' },
        { src: 'package/work@.service' },
      ],
    });
    expect(scripts.postinst).not.toMatch(/(?:start|invoke).*monitor/);
    expect(scripts.postinst).toContain("deb-systemd-helper debian-installed 'monitor.service'");
    expect(scripts.preinst).toContain('[ "$1" = upgrade ]');
    expect(scripts.preinst).toContain("deb-systemd-invoke stop 'plain.service'");
    expect(scripts.postinst, 'no [Install]').not.toContain("enable 'plain.service'");
    expect(JSON.stringify(scripts), 'a template has no instance').not.toContain('work@');
  });

  test('are named as units are', async () => {
    expect((await refusal({ units: [{ src: 'package/copyright' }] }))[0]!.because).toContain(
      'package/copyright is not named as a systemd unit is',
    );
    expect((await refusal({ units: [{ src: 'package/odd name.service' }] }))[0]!.because).toContain('not named');
    const [missing] = await refusal({ units: [{ src: 'package/monitr.service' }] });
    expect(missing).toMatchObject({
      because: 'package ccai-files: there is no file package/monitr.service',
      fix: 'the nearest is package/monitor.service',
      at: { text: expect.stringContaining('monitr.service') },
    });
  });
});

test('sysusers and tmpfiles are put in their places and made when the package is configured, users first', async () => {
  const { entries, scripts, control } = await plan({
    sysusers: 'package/ccai.sysusers',
    tmpfiles: 'package/ccai.tmpfiles',
    contents: [{ src: 'config/a.conf', dst: '/opt/ccai/', owner: 'ccai' }],
    units: [{ src: 'package/monitor.service' }],
  });
  const paths = entries.map(({ path }) => path);
  expect(paths).toContain('usr/lib/sysusers.d/ccai-files.conf');
  expect(paths).toContain('usr/lib/tmpfiles.d/ccai-files.conf');
  const order = ['systemd-sysusers', 'chown -h', 'systemd-tmpfiles', '_dh_action'].map((word) =>
    scripts.postinst!.indexOf(word),
  );
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(order[0]).toBeGreaterThan(0);
  expect(control).toContain('Depends: systemd | systemd-standalone-sysusers | systemd-sysusers\n');
});

describe('maintainer scripts', () => {
  test('hold what is added at #DEBHELPER#', async () => {
    const { scripts } = await plan({
      scripts: { postinst: 'package/postinst' },
      units: [{ src: 'package/monitor.service' }],
    });
    expect(scripts.postinst).toMatch(/^#!\/bin\/sh\nset -e\necho before\nif \[[^]*monitor\.service[^]*\necho after\n$/);
    const [failure] = await refusal({
      scripts: { postinst: 'package/postinst-bare' },
      units: [{ src: 'package/monitor.service' }],
    });
    expect(failure!.because).toContain('has no line #DEBHELPER#');
    expect((await plan({ scripts: { postinst: 'package/postinst-bare' } })).scripts.postinst).toBe(
      files['package/postinst-bare'],
    );
    expect((await refusal({ scripts: { prerm: 'package/copyright' } }))[0]!.because).toContain(
      'does not begin with #!',
    );
    expect(() => project({ scripts: { config: 'package/postinst' } })).toThrow('config');
  });

  test('take what is added as it is, dollar signs and all', () => {
    const snippets = { ...noSnippets(), postinst: ["echo '$& $1 $$'"] };
    const own = {
      postinst: { text: '#!/bin/sh\n#DEBHELPER#\n', trouble: () => new Failure({ doing: '', because: '', fix: '' }) },
    };
    expect(assembleScripts(own, snippets).postinst).toBe("#!/bin/sh\necho '$& $1 $$'\n");
  });
});

test('a changelog and a copyright file of its own take the place of those that are made', async () => {
  const [packed] = await pack(project({ changelog: 'package/changelog', copyright: 'package/copyright' }));
  const read = (path: string, filter: string) =>
    execFileSync('sh', ['-c', `dpkg-deb --fsys-tarfile "$1" | tar -xO "$2" | ${filter}`, 'sh', packed!.file, path], {
      encoding: 'utf8',
    });
  expect(read('./usr/share/doc/ccai-files/changelog.gz', 'zcat')).toBe(files['package/changelog']);
  expect(read('./usr/share/doc/ccai-files/copyright', 'cat')).toBe(files['package/copyright']);
  const revised = await plan({ changelog: 'package/changelog', version: '${version}-2' });
  expect(revised.entries.map(({ path }) => path)).toContain('usr/share/doc/ccai-files/changelog.Debian.gz');
  expect(revised).toMatchObject({ version: '1.2.0-2', fileName: 'ccai-files_1.2.0-2_all.deb' });
});

test('an epoch is in the version, not in the name of the file, as dpkg-deb names packages', async () => {
  const packed = await packOne(project({ version: '2:${version}-1' }));
  expect(packed.file).toMatch(/\/ccai-files_1\.2\.0-1_all\.deb$/);
  expect(execFileSync('dpkg-deb', ['-f', packed.file, 'Version'], { encoding: 'utf8' })).toBe('2:1.2.0-1\n');
  const [failure] = await refusal({ version: 'v${version}' });
  expect(failure!.because).toContain('"v1.2.0" is not a version of Debian\'s');
});

test('a release that dpkg sorts otherwise than semver is refused, both orders shown', async () => {
  const options = { version: '1.0.0-rc10', others: ['1.0.0-rc9'] };
  await expect(checkDebs(project({}), undefined, options)).rejects.toMatchObject({
    because: 'semantic versioning says 1.0.0-rc10 < 1.0.0-rc9, dpkg says 1.0.0~rc10 > 1.0.0~rc9',
  });
});

test('a package that is off is not packed, and none that is on may need it', async () => {
  const config = makeProject({ 'ccai-a': deb({ off: true }), 'ccai-b': deb({ recommends: ['ccai-a'] }) });
  const { planned, off } = await checkDebs(config);
  expect(planned.map(({ name }) => name)).toEqual(['ccai-b']);
  expect(off).toEqual([{ name: 'ccai-a', why: 'configuration', version: '0.0.0~dev' }]);
  const needing = makeProject({ 'ccai-a': deb({ off: true }), 'ccai-b': deb({ depends: ['libc6', 'ccai-a (= 1)'] }) });
  await expect(checkDebs(needing)).rejects.toMatchObject({
    because: 'package ccai-b: ccai-b depends on ccai-a, which is off',
    at: { text: expect.stringContaining('ccai-a (= 1)') },
  });
  const on = { choice: { on: ['ccai-a'], off: [] } };
  expect((await checkDebs(needing, undefined, on)).planned).toHaveLength(2);
  const provided = makeProject({
    'ccai-a': deb({ off: true }),
    'ccai-b': deb({ depends: ['ccai-a'] }),
    'ccai-c': deb({ provides: ['ccai-a (= 2)'] }),
  });
  expect((await checkDebs(provided)).planned).toHaveLength(2);
});
