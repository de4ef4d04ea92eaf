import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '27a7f5355b8bd9bfec5df3d46e532cd7d7a0382ba7e537d576575e7df2136a78' },
    arm64: { sha256: '723b75089a4babdf78ac216d45c5ad652b1f650b77a34c84dcb4fea87b71515f' },
  },
};
