import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '8eaf2864ba935c714d919ed4e2b055e7eb09fd944cba83c192edf082ffeeea04' },
    arm64: { sha256: 'b45e713061c5ccc6ee0e924a53ebf741ca946b32efa168791cef11bb0522f3c6' },
  },
};
