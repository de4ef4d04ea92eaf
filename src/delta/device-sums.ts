import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'aca78ece42219a681b509007a022df0d3b7f1091576667c53ecbc403b8aa1bf6' },
    arm64: { sha256: '67c61e299afb044703ba254e1313ae2ba5038e4384c311fbe39659dab166cb42' },
  },
};
