import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'ec230f27e589958f8810b3747d74d7c3610055417f394c44c4768c0ed26d1767' },
    arm64: { sha256: '7456c53ad3ee36a892a1cc74816bc59097c88ed456b34b274e459f4c176fee08' },
  },
};
