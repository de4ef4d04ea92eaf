import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: 'c3df60f44efde7271710282c948cdabecae559b674858eaa866f891821b1ade4' },
    arm64: { sha256: '2fe628d32072af1611336182589d7b6694ee975aacdea29f069a01e0f8eea045' },
  },
};
