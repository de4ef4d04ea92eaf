import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'b4e867b687a8420081620d7bc08db5a5ffc2c5b5b81f1db4c98ab5b7400fc36c' },
    arm64: { sha256: 'a4d77b04e41aaf1f1047d2b7073fd5720888d803ee658935dd3aeeaf7af45a15' },
  },
};
