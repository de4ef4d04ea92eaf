import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'd3f6662bcd77aed7a7db53b0c729ec8d56b4ddc0e1458f3ce6ae0fd5153bcebd' },
    arm64: { sha256: '1ebca1ba5383b4a407133eea6202c07e084859b8a983ce6f3321330345b74c95' },
  },
};
