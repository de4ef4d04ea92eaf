/**
 * Filesystem layers as their builders would write them, out of the package sources that this machine is set up with: pip,
 * npm, apt. Kept in a folder, so that they are made once. What pip and npm serve is compared with its sha256; apt checks
 * what it serves itself.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { baseImage } from '../../scripts/support/base-image.ts';
import { machineMirror } from '../../scripts/support/apt.ts';
import { encodeHeader, padding } from '../../src/tar/header.ts';

/** A filesystem layer; two of one name are the same. */
export interface Layer {
  name: string;
  /** Writes the uncompressed tar; `cache` keeps what was downloaded. */
  write: (tar: string, cache: string) => void | Promise<void>;
}

/** A release of something, as its registry has it. */
interface Package {
  name: string;
  version: string;
  sha256: string;
  /** Fetches it into the folder that it is started in. */
  fetch: string[];
  /** Puts its files below a root. */
  unpack: (file: string, root: string) => void;
}

export function run(argv: string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr } = spawnSync(argv[0]!, argv.slice(1), {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr.slice(-1000)}`);
  return stdout;
}

/** For CPython 3.12; `platform` as wheels name it. */
export function wheel(name: string, version: string, platform: string, sha256: string): Package {
  const only = ['--no-deps', '--only-binary', ':all:', '--python-version', '3.12', '--platform', platform];
  return {
    name,
    version,
    sha256,
    fetch: ['pip', 'download', '-q', ...only, '-d', '.', `${name}==${version}`],
    unpack(file, root) {
      const folder = path.join(root, 'usr/local/lib/python3.12/site-packages');
      mkdirSync(folder, { recursive: true });
      run(['python3', '-m', 'zipfile', '-e', file, folder], root);
    },
  };
}

export function npm(name: string, version: string, sha256: string): Package {
  return {
    name,
    version,
    sha256,
    fetch: ['npm', 'pack', `${name}@${version}`, '--silent'],
    unpack(file, root) {
      const folder = path.join(root, 'usr/local/lib/node_modules', name);
      mkdirSync(folder, { recursive: true });
      run(['tar', '-xzf', file, '-C', folder, '--strip-components=1'], root);
    },
  };
}

/** As `RUN pip install` or `npm install` leave it at one moment: every file has the same time, in seconds since 1970. */
export function installed(time: number, ...packages: Package[]): Layer {
  return {
    name: `${packages.map(({ name, version, sha256 }) => `${name}-${version}-${sha256.slice(0, 6)}`).join('+')}@${time}`,
    write(tar, cache) {
      inFolder(cache, (root) => {
        for (const each of packages) each.unpack(downloaded(each, cache), root);
        const plain = [
          '--sort=name',
          '--owner=0',
          '--group=0',
          '--numeric-owner',
          '--mode=u=rwX,go=rX',
          '--format=gnu',
        ];
        run(['tar', ...plain, `--mtime=@${time}`, '-C', root, '-cf', tar, 'usr'], root);
      });
    },
  };
}

function downloaded({ name, version, sha256, fetch }: Package, cache: string): string {
  const file = path.join(cache, `${name.replaceAll('/', '-')}-${version}-${sha256.slice(0, 6)}`);
  if (!existsSync(file)) {
    inFolder(cache, (folder) => {
      run(fetch, folder);
      const [found, ...more] = globSync('*', { cwd: folder });
      if (found === undefined || more.length > 0) throw new Error(`${fetch.join(' ')} brought not one file`);
      const hash = createHash('sha256')
        .update(readFileSync(path.join(folder, found)))
        .digest('hex');
      if (hash !== sha256) throw new Error(`${found} has the sha256 ${hash}, not ${sha256}`);
      renameSync(path.join(folder, found), file);
    });
  }
  return file;
}

/**
 * debootstrap's base of bookworm, with some packages of the suites that are named. Clocks and caches aside, what a build
 * on one day and one with all that was fixed since then would put there.
 */
export function debian(state: string, suites: readonly string[], packages: readonly string[]): Layer {
  return {
    name: `debian-${state}`,
    async write(tar, cache) {
      const base = await baseImage('bookworm', (text) => console.error(text));
      const main = await machineMirror('bookworm');
      const uri = (suite: string) => (suite.endsWith('-security') ? main.replace(/debian$/, 'debian-security') : main);
      inFolder(cache, (root) => {
        run(['tar', '-xf', base, '-C', root], root);
        const list = suites.map((suite) => `deb ${uri(suite)} ${suite} main\n`).join('');
        writeFileSync(path.join(root, 'etc/apt/sources.list'), list);
        const resolver = path.join(root, 'etc/resolv.conf');
        writeFileSync(resolver, readFileSync('/etc/resolv.conf'));
        const chroot = (...argv: string[]) =>
          run(['chroot', root, ...argv], root, {
            PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
            DEBIAN_FRONTEND: 'noninteractive',
          });
        const apt = ['apt-get', '-q', '-y', '-o', 'APT::Sandbox::User=root'];
        chroot(...apt, 'update');
        chroot(...apt, 'dist-upgrade');
        chroot(...apt, '--no-install-recommends', 'install', ...packages);
        for (const left of [
          'var/log',
          'var/cache/apt',
          'var/lib/apt/lists',
          'var/cache/ldconfig',
          'var/cache/debconf',
        ]) {
          rmSync(path.join(root, left), { recursive: true, force: true });
        }
        rmSync(resolver);
        run(['tar', '--sort=name', '--numeric-owner', '--format=gnu', '-C', root, '-cf', tar, '.'], root);
      });
    },
  };
}

/** A tree of small files that no two releases have at the same times, one of a hundred changed by `release`. */
export function generated(files: number, release: number): Layer {
  return {
    name: `generated-${files}-${release}`,
    write(tar) {
      const file = openSync(tar, 'w');
      try {
        const parts: Buffer[] = [];
        const put = (last: boolean) => {
          const bytes = Buffer.concat(parts.splice(0));
          for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
          if (last) writeSync(file, Buffer.alloc(1024));
        };
        for (let at = 0; at < files; at++) {
          const changed = at % 100 === 0 ? release : 0;
          const hash = createHash('sha256').update(`${at} ${changed}`).digest('hex');
          const contents = Buffer.from(
            `def f${at}():\n    return ${at % 100 === 0 ? `${at}, '${hash}'` : `'${hash}'`}\n`.repeat(3),
          );
          const name = `usr/local/lib/python3.12/site-packages/package${at % 1000}/module${Math.floor(at / 1000)}.py`;
          const owner = { uid: 0, gid: 0, userName: '', groupName: '', deviceMajor: 0, deviceMinor: 0, linkName: '' };
          const stat = { type: 'file', mode: 0o644, size: contents.length, mtime: 1_700_000_000 + release } as const;
          parts.push(encodeHeader({ ...owner, ...stat, name }), contents, Buffer.alloc(padding(contents.length)));
          if (parts.length > 3000) put(false);
        }
        put(true);
      } finally {
        closeSync(file);
      }
    },
  };
}

function inFolder(parent: string, work: (folder: string) => void): void {
  const folder = mkdtempSync(path.join(parent, '.making-'));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The layer's tar in `folder`, made if it isn't there. */
export async function tarOf(folder: string, { name, write }: Layer): Promise<string> {
  const [tars, cache] = [path.join(folder, 'layers'), path.join(folder, 'downloads')];
  const tar = path.join(tars, `${name.replaceAll('/', '-')}.tar`);
  if (existsSync(tar)) return tar;
  for (const each of [tars, cache]) mkdirSync(each, { recursive: true });
  await write(`${tar}.part`, cache);
  renameSync(`${tar}.part`, tar);
  return tar;
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
