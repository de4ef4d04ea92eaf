import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '311862e682cb52708d9c74948c15588027a329fc2d12749f572ff4c321d6b1d1' },
    arm64: { sha256: 'd1e4f121c102a20f8ca288ce3d7bb829e1c58fd7583e9f083f7a4e334bc4205d' },
  },
};
