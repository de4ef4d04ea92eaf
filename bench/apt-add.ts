/**
 * One package more in an apt repository of 1,000: `imgbuild apt publish` against the usual tools, each with indexes in xz,
 * signed by a key of the same kind. Every run adds a version that is new to all of them.
 *
 * `aptly`: repo add, publish update. `reprepro`: includedeb (it keeps one version of a package). `aptFtparchive`: the
 * file is copied into the pool, then packages with its cache, release, gpg: what a script around it does.
 *
 * Wanted: at most one second. PACKAGES, SIZE (kilobytes of each of them) and ADDED (megabytes of the one that is added) set
 * others.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { installPackages } from '../scripts/support/apt.ts';
import { newKeyFile } from '../src/apt/keys.ts';
import { makeDeb } from '../test/apt/support/make-deb.ts';
import { makeManyDebs } from '../test/apt/support/many-debs.ts';
import { type Command, measure, record } from './measure.ts';
import { program } from './support/bench-registry.ts';

const packages = Number(process.env['PACKAGES'] ?? 1000);
const kilobytes = Number(process.env['SIZE'] ?? 100);
const megabytes = Number(process.env['ADDED'] ?? 10);
const runs = Number(process.env['RUNS'] ?? 5);

await installPackages(['aptly', 'reprepro', 'apt-utils', 'gnupg', 'time', 'xz-utils'], (text) =>
  process.stderr.write(`bench: ${text}\n`),
);
// The agent's socket needs a short path.
const work = mkdtempSync('/tmp/apt-add-');
const env = { ...process.env, GNUPGHOME: path.join(work, 'gnupg'), LC_ALL: 'C' };
const file = (name: string) => path.join(work, name);
const script = (name: string, lines: string): string[] => {
  writeFileSync(file(name), `#!/bin/sh\nset -e\n${lines}\n`);
  chmodSync(file(name), 0o755);
  return [file(name)];
};
const run = ([command, ...args]: string[]) =>
  execFileSync(command!, args, { env, cwd: work, stdio: ['ignore', 'ignore', 'pipe'] });
try {
  for (const folder of ['gnupg', 'debs', 'added', 'archive/pool', 'reprepro/conf']) {
    mkdirSync(file(folder), { recursive: true, mode: 0o700 });
  }
  await makeManyDebs(file('debs'), packages, kilobytes * 1000);
  await newKeyFile(file('key.asc'), 'Bench <bench@example.com>');
  run(['gpg', '--batch', '--import', file('key.asc')]);

  const imgbuild = [...program(), '-C', work, 'apt', 'publish'];
  const toSite = ['-o', file('site'), '--name', 'bench', '--sign-key', file('key.asc')];
  run([...imgbuild, file('debs'), ...toSite]);

  writeFileSync(file('aptly.conf'), JSON.stringify({ rootDir: file('aptly'), architectures: ['amd64', 'all'] }));
  const aptly = `aptly -config=${file('aptly.conf')}`;
  const signedBy = '-gpg-key=bench@example.com -batch';
  run(
    script(
      'aptly-first',
      `${aptly} repo create -distribution=stable bench\n${aptly} repo add bench ${file('debs')}\n` +
        `${aptly} publish repo ${signedBy} bench`,
    ),
  );

  writeFileSync(
    file('reprepro/conf/distributions'),
    'Codename: stable\nArchitectures: amd64\nComponents: main\nDebIndices: Packages Release . .xz\nSignWith: yes\n',
  );
  const reprepro = `reprepro --silent --basedir ${file('reprepro')}`;
  run(
    script('reprepro-first', `${reprepro} --section misc --priority optional includedeb stable ${file('debs')}/*.deb`),
  );

  for (const name of readdirSync(file('debs'))) copyFileSync(file(`debs/${name}`), file(`archive/pool/${name}`));
  const ftparchive =
    `cd ${file('archive')}\n` +
    `apt-ftparchive --db ${file('ftparchive.db')} packages pool > Packages\nxz -kf Packages\n` +
    'apt-ftparchive release . > ../Release\nmv ../Release Release\n' +
    'gpg --batch --yes --clearsign --output InRelease Release';
  run(script('ftparchive-first', ftparchive));

  /** Each run adds a version of its own. */
  let version = 0;
  const adding = async (argv: (deb: string) => string[]): Promise<Command> => {
    const debs: string[] = [];
    for (let count = 0; count < runs + 1; count += 1) {
      const files = { 'usr/share/added/data': randomBytes(megabytes * 1_000_000) };
      debs.push(
        await makeDeb(file('added'), { name: 'added', version: `1.${version++}`, architecture: 'amd64', files }),
      );
    }
    const made: Command = { argv: [], env, cwd: work };
    made.before = () => (made.argv = argv(debs.shift()!));
    return made;
  };
  const times = measure(
    {
      imgbuild: await adding((deb) => [...imgbuild, deb, ...toSite]),
      aptly: await adding((deb) =>
        script('aptly-add', `${aptly} repo add bench ${deb}\n${aptly} publish update ${signedBy} stable`),
      ),
      reprepro: await adding((deb) =>
        script('reprepro-add', `${reprepro} --section misc --priority optional includedeb stable ${deb}`),
      ),
      aptFtparchive: await adding((deb) =>
        script('ftparchive-add', `cp ${deb} ${file('archive/pool')}\n${ftparchive}`),
      ),
    },
    runs,
  );
  const { imgbuild: ours, ...peers } = times;
  record('apt-add', {
    packages,
    kilobytesEach: kilobytes,
    megabytesAdded: megabytes,
    runs,
    times,
    ratios: Object.fromEntries(Object.entries(peers).map(([name, { seconds }]) => [name, ours.seconds / seconds])),
  });
} finally {
  execFileSync('gpgconf', ['--homedir', env.GNUPGHOME, '--kill', 'gpg-agent'], { stdio: 'ignore' });
  rmSync(work, { recursive: true, force: true });
}
