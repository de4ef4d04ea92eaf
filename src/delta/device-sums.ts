import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '4a2ddfedebeb1a7fe601cd2e02deb0942b4ca24fd24d0f68695d0f89dde6f652' },
    arm64: { sha256: '6c832c42b72ca91b96db5acda07bd1df07f2ecc4b1815415e56efbc6540c7db4' },
  },
};
