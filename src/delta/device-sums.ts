import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'd5850409a92676669cdde94a64f08c44396480460dace8f02d2f0182f1faf60e' },
    arm64: { sha256: 'a5106641148b959d931f04c8cc2d60ebbc1e2e10273cc3b397556771875a5db8' },
  },
};
