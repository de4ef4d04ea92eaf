import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '1b83bbf0ac2563b395e6ae01542d791c1f8864ec50d16268826187ef8fb86d0b' },
    arm64: { sha256: 'b50f6414898ae09a95b317f819f6d332df947460729d200975cdd133f84c6c98' },
  },
};
