import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '235b0c040663ab3801c38dca59e9d759623868d6ff58941026484f37aca66f69' },
    arm64: { sha256: 'ef341466e782f2e151e1286c36d9564afba87e64285d5c727e06e0d57b86f560' },
  },
};
