import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '401604ccd1f0a0022d0de9dd7e0233c209603b69b85f0521ebf5648ed9b72849' },
    arm64: { sha256: 'b5dad4658dda55a77aa6f84eb7d0fe06a3bfa4f6589a847ad432b9e79b12238a' },
  },
};
