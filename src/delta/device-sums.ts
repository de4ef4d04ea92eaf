import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'beedd941d6f3b34867eb835aa574dbaf5cdf0e1061b8227b49d8882bdba25ec2' },
    arm64: { sha256: 'b4c8e6d0535d3ba1bb1656f7fa10286bf82162f5e4b4987ce6c7de9253d9edb4' },
  },
};
