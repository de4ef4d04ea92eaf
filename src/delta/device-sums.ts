import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '21caecee7ea5febe3af2d0d4cb24ba8785376904941aef2574fc34592fc18c8d' },
    arm64: { sha256: '3d3638ee441092fe4325a02d5ebc7e887bf0541f768f863093e29be157d2e40b' },
  },
};
