/** Go's names of the operating system and the processor, as in the OCI image index. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** `linux/amd64`, `linux/arm/v7`. */
export type PlatformName = string;

const aliases: Record<string, { architecture: string; variant?: string }> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  x64: { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
};

/** Throws a RangeError on anything but OS/ARCH or OS/ARCH/VARIANT. arm64/v8 is arm64, as containerd normalises it. */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9]+))?$/.exec(text);
  if (!match) throw new RangeError(`not a platform (OS/ARCH or OS/ARCH/VARIANT): ${JSON.stringify(text)}`);
  const os = match[1]!;
  const alias = aliases[match[2]!];
  const architecture = alias?.architecture ?? match[2]!;
  let variant = match[3] ?? alias?.variant;
  if (architecture === 'arm64' && variant === 'v8') variant = undefined;
  if (architecture === 'arm' && variant === undefined) variant = 'v7';
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

export function platformName(platform: Platform): PlatformName {
  const { os, architecture, variant } = platform;
  const hasVariant = variant !== undefined && variant !== '' && !(architecture === 'arm64' && variant === 'v8');
  return hasVariant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
}

export function samePlatform(a: Platform, b: Platform): boolean {
  return platformName(a) === platformName(b);
}

/** The platform that this process runs on; images are for linux whatever the desk is. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
}
