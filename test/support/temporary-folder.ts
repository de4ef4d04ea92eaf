import { rmSync } from 'node:fs';

export default function setup(): () => void {
  return () => {
    const folder = process.env.IMGBUILD_TEST_FOLDER;
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };
}
