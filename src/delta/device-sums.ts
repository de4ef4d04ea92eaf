import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '65edf50094871fd2a308047bf5c21e42f44b411442483628c255f1b4a310a367' },
    arm64: { sha256: 'ad204934015ee8908cc0f17342d8bf1bddf72a1f6ca64721f7861fdb9ca0f631' },
  },
};
