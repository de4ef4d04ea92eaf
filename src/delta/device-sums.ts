import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by `npm run device -- --sums`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '0.1.0',
  go: 'go1.26.8',
  programs: {
    amd64: { sha256: '1aeeba665919277a1c099223bedd7868d24ecdaa49ae3a644e97e704c6455652' },
    arm64: { sha256: '22c4ea2942ae3fa84089a033cc3bf2cae905cf8e2e89cc3baee16675f09caaf2' },
  },
};
