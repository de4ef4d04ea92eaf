import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'b6573cec5464c47e9ab83cf2e97ba6342f799725a328c202cabcac67f29befed' },
    arm64: { sha256: 'e06d75d2ff5fa36194353d7ca44fa981a9cb73b2caa5fd3ff0347436f3293253' },
  },
};
