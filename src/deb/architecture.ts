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

/** dpkg's name of an image's platform; undefined where Debian has no such port. */
export function debianArchitecture(platform: Platform): string | undefined {
  if (platform.os !== 'linux') return undefined;
  const { architecture, variant } = platform;
  const key = architecture === 'arm' ? `arm/${variant ?? 'v7'}` : architecture;
  return fromGo[key];
}
