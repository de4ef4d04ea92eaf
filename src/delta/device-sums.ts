import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '6a86423433507589dacd91a0ed5e39dae3a2b472920acd564f1dd022b42308a9' },
    arm64: { sha256: 'efdc76b5ce7b15dc17d7a06e5f6beec8194c5409a75661be7c3ed371de941f72' },
  },
};
