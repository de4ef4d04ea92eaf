import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '751fc1caf9a86d196da3cd70345132de2310bfd90b5d4891270311b3da8cd27f' },
    arm64: { sha256: 'b8187ec618f601c3a60f0fbc3142f371abe02af70566c1666db339c44922221d' },
  },
};
