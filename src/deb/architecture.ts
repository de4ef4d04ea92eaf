import { didYouMean } from '../config/did-you-mean.ts';
import type { Platform } from '../oci/platform.ts';

const fromGo: Record<string, string> = {
  amd64: 'amd64',
  arm64: 'arm64',
  '386': 'i386',
  'arm/v7': 'armhf',
  'arm/v6': 'armel',
  'arm/v5': 'armel',
  ppc64le: 'ppc64el',
  riscv64: 'riscv64',
  s390x: 's390x',
  mips64le: 'mips64el',
  loong64: 'loong64',
};

/** What Linux machines are called by dpkg, in the archive and in its ports (dpkg-architecture -L). */
const linuxArchitectures = (
  'all any amd64 arm64 armel armhf i386 loong64 mips64el ppc64el riscv64 s390x ' +
  'alpha arc hppa ia64 m68k mips mips64 mipsel powerpc powerpcspe ppc64 sh4 sparc sparc64 x32'
).split(' ');

/** What to write in place of a name that is none; undefined where it is one, or one of another kernel or C library. */
export function otherThanArchitecture(name: string): string | undefined {
  if (linuxArchitectures.includes(name) || name.includes('-')) return undefined;
  const near = didYouMean(name, linuxArchitectures);
  return near === undefined ? 'write all, or a name as in `dpkg --print-architecture`' : `did you mean ${near}?`;
}

/** dpkg's name of an image's platform; undefined where Debian has no such port. */
export function debianArchitecture(platform: Platform): string | undefined {
  if (platform.os !== 'linux') return undefined;
  const { architecture, variant } = platform;
  const key = architecture === 'arm' ? `arm/${variant ?? 'v7'}` : architecture;
  return fromGo[key];
}
