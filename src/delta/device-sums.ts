import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '46cfc1ca866b577a5f8609ba3329b8ddfd46e3ff1bc4211bf285f54fbe990771' },
    arm64: { sha256: 'c796479b263d6fcdf4dc824a53a3c398f00fd485627c450d6d3a58a540eaac0f' },
  },
};
