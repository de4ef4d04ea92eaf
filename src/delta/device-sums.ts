import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '94261593b05a5f9ab2b8928a76f9db6b4f2ecd2b2c256b82a336003663bc8cf9' },
    arm64: { sha256: '15573770332bb89d3050f2c553bbe23c400712a35f0184ed3ef8ef46e89712b1' },
  },
};
