import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '93e59a8d815f913bdce2d8b878e2bf609c1ed0a13de2badc76121f8fad1d08c9' },
    arm64: { sha256: '633959a1b8c00f3229c364b5ac57f5999c4fabe3a23dfb95017a242282efb484' },
  },
};
