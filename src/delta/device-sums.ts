import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '23be077804abfca5287ae62ad01a1ea4fda473b69c644fb29a7d984e37130aa9' },
    arm64: { sha256: '17f3bf3bfe2f2176d6e82ef043cc93e5a6a6821987270c16b83c14fac9be7b66' },
  },
};
