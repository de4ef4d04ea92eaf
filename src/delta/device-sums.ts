import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'c55d306e06d8481d05a47a4adac28ef2891d580e7087c8ad639ddc55312cafb9' },
    arm64: { sha256: 'a8828b8ed29b94f0a71f1420f5b2a1af87f98778f4892f6b7dd6ec065e9e5cee' },
  },
};
