import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'fc9d2491b56529b5a59d96f4f30ca830a0ebe0ab52a70db9054dfeb79402e0e7' },
    arm64: { sha256: 'ab5ec48b4db5fa37958ca1d1852550292f6f32c657c1f74191dac45fa9dc0679' },
  },
};
