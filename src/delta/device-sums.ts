import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '3ccf31010f3bc40420e2f1f5e841af5996a3f85e49aac28a6c2752d4628f8d12' },
    arm64: { sha256: 'd0861e0640e568d3e6871deca69c7c37646a182e306532f395149a868d10c15c' },
  },
};
