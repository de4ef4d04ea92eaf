import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '4e313ea63c73dc3a3cb89e53ab457a701e3c4e755beadbb7e26c6d7343d4a81f' },
    arm64: { sha256: 'c9172d71690c19a0b6b4d75ded3b24f6ca78670f1e68a2cb92fc06e62d50d185' },
  },
};
