import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '9298172869b49976490e56318494fe68bf45c109e187a346acd0ed6ae26d220f' },
    arm64: { sha256: '353055b99a48b167b33c53157f9a0266b67c1033816bd00540f5c8bff3a3951d' },
  },
};
