import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '2481b308d58b9b0ca24e1adbb479e0a12a1e34638145b90c037ea437de7c0818' },
    arm64: { sha256: 'd102bb21986f9f142e5dd7365972012fe615abf0544939fac15d3709b7a15391' },
  },
};
