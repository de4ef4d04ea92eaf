import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '1a8eac37615dde1a9f32966744d716ee071a213ccfc58d3cd4ebb3138cb38e0b' },
    arm64: { sha256: '89a2f729c8ba9ff184ed805551995e2ae5db5be78b444623419b039a9df0cb17' },
  },
};
