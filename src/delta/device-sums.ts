import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'f66ef69a9fea1429464e08c90d780550d769743466f2acbec3fb1952f3112b0d' },
    arm64: { sha256: '510caaa006e723b29264239d9e7ff880139213e0117fe51759754550f49a9487' },
  },
};
