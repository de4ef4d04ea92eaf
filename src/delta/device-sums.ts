import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '9105d2937f2262ceab220a2e509fc47921df6625860067eafe685ffac218e484' },
    arm64: { sha256: '40ceb6e1a50b1d3274110e593ddf61384a8f0a028332ec31ee68ea4f7fe09847' },
  },
};
