import {
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installPackages } from '../../scripts/support/apt.ts';
import { run, runChecked } from '../../src/process/run.ts';

const gibibyte = 2 ** 30;

/** Whether this machine has loop devices and both file systems. */
export async function lossyDisks(): Promise<boolean> {
  try {
    const disk = await LossyDisk.make(mkdtempSync(join(tmpdir(), 'imgbuild-disk-')));
    await disk.remove();
    return true;
  } catch {
    return false;
  }
}

/**
 * A disk whose state at one moment can be had: ext4 in a file on an XFS, which makes a clone of it in milliseconds. What
 * was not written to the disk by then is not in the clone, as after a power cut; what was is in it in the order in which
 * it was written, as on a disk that honours flushes.
 */
export class LossyDisk {
  /** Absolute: where the disk is mounted, always the same. */
  readonly path: string;
  readonly #folder: string;
  readonly #files: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#files = join(folder, 'files');
    this.path = join(folder, 'disk');
  }

  /** Throws where loop devices, ext4 or XFS with reflink are missing. `folder` is empty and absolute; sizes are sparse. */
  static async make(folder: string): Promise<LossyDisk> {
    await installPackages(['xfsprogs', 'e2fsprogs', 'mount'], () => {});
    const disk = new LossyDisk(folder);
    for (const each of [disk.#files, disk.path]) mkdirSync(each);
    try {
      const outer = join(folder, 'xfs.img');
      writeFileSync(outer, '');
      truncateSync(outer, 24 * gibibyte);
      await runChecked('mkfs.xfs', ['-q', '-m', 'reflink=1', outer]);
      await runChecked('mount', ['-o', 'loop', outer, disk.#files]);
      const first = join(disk.#files, 'first');
      writeFileSync(first, '');
      truncateSync(first, 3 * gibibyte);
      await runChecked('mkfs.ext4', ['-q', '-F', first]);
      copyFileSync(first, join(disk.#files, 'probe'), constants.COPYFILE_FICLONE_FORCE);
      rmSync(join(disk.#files, 'probe'));
    } catch (error) {
      await disk.remove();
      throw error;
    }
    return disk;
  }

  /** Names of states: `first` is an empty disk. */
  async mount(state: string): Promise<void> {
    await runChecked('mount', ['-o', 'loop', join(this.#files, state), this.path]);
  }

  /** As at shutdown, with what a killed engine left mounted on it. */
  async unmount(): Promise<void> {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    // What a lazy unmount leaves in use keeps the file system alive, unseen, with what it has not written.
    await runChecked('sync', ['--file-system', this.path]);
    for (const mount of mounts.filter((each) => each.startsWith(`${this.path}/`)).toReversed()) {
      await run('umount', ['--lazy', mount]);
    }
    for (let attempt = 0; attempt < 50; attempt++) {
      const { exitCode } = await run('umount', [this.path]);
      if (exitCode === 0) return;
      await sleep(100);
    }
    throw new Error(`${this.path} stays in use`);
  }

  /** The state that is mounted, or another one, as it is on the disk at this moment, under a new name. */
  clone(state: string, name: string): void {
    copyFileSync(join(this.#files, state), join(this.#files, name), constants.COPYFILE_FICLONE_FORCE);
  }

  forget(state: string): void {
    rmSync(join(this.#files, state), { force: true });
  }

  async remove(): Promise<void> {
    for (const mount of [this.path, this.#files]) await run('umount', ['--lazy', mount]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
