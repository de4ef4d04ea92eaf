import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'adbfac8e4502732113642cf875037330be631ec89c04b25635fa81b5604e8662' },
    arm64: { sha256: '69f77ff9374d52b0239b0588f4839aed5161b2d4306f2a9c5071f7e2736f5a64' },
  },
};
