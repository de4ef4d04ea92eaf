import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '2b7e1676bb42006362f70f1250c58129bd3b1bf5a1f3749d46e07fa34f3669f6' },
    arm64: { sha256: 'f63fa632cf1f1eeb851408d73d96237cdcc87b5e1866aa4687ca40db6685c6ab' },
  },
};
