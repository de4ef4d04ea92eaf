import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '241a9b7827ce25fd52cf61f701535b3ca49811f47f261c274724d4acfb72645b' },
    arm64: { sha256: 'aeebd1a886ab53bd2ac63f19a5fc9c8c25c472a2b128531459f783bfabea1052' },
  },
};
