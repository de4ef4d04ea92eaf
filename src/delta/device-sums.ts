import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '43a2b1d6ab3d242ae8d68b67e161aa1cba5084c273aa2039dfae6596819f42d0' },
    arm64: { sha256: 'c4e962f68a2a5006ff759da77f91c18369596a402d8d0e3287b416f432330af8' },
  },
};
