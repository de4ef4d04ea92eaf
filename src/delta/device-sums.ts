import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '882c6f4c031a7f182271c473866cc2396417f4af67a7926ba6bce560f7f600e4' },
    arm64: { sha256: '2f8341ff4f3d4cefde28efed9cda23f55a50f95c0f43b2f375e592a177eca386' },
  },
};
