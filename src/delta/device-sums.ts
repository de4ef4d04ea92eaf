import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '1b4897aeb717da5ff916f29e90f8540ad4e59700775fb99cc629845b9aacca32' },
    arm64: { sha256: '6d827dd28e3def69e3b70bb28d50107f79cf4a1306f03f8ca4491437b5922452' },
  },
};
