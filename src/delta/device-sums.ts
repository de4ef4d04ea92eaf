import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'd0d25ab4c0b25b3edca1161dc22f523bccea634482c7a94451138b2cee843e6a' },
    arm64: { sha256: '43dd2220a1bb98e14501f3d16ef93b0a3a7df5ee76bd05ff45c787d39361e66c' },
  },
};
