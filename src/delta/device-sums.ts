import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'c905831c5865cdf190a9692f56b65be0b9d14258a417384f6ecbda2d84810438' },
    arm64: { sha256: '1cc3d7b9bd0d226f9ac4c0aa70799859237f1dbdaf426e0f445e2deb0dd198cd' },
  },
};
