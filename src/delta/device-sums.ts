import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'e8e2b8684596ca666f78cf6d5dc0f4864f71d753798a4e9c7c952642efe1c8f8' },
    arm64: { sha256: '446dcea858f3d0d6f330df94bbbc6ff0617008c453173f14b7492756074c86f8' },
  },
};
