import { link, mkdir, readFile, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import { temporaryName } from '../files/durable-write.ts';
import { isRunning, thisProcess, type ProcessIdentity } from '../process/identity.ts';

/*
 * Node has no flock, and a lock file that is removed when it looks stale can be removed under its next owner. So locks
 * here are numbered files that are made by link(2) and never taken over: who finds the highest number released (empty)
 * or its owner gone makes the next number, which only one can; who then sees a higher one than his own came too late.
 */

/** A holder elsewhere (another host or container on a shared folder) is taken for gone after this long without a beat. */
const silenceOfForeigners = 60_000;
const beat = 15_000;

const queues = new Map<string, Promise<unknown>>();

export interface LockOptions {
  /** Milliseconds to wait for a holder; two minutes where absent. */
  patience?: number;
  /** Ends the waiting, not the work. */
  signal?: AbortSignal | undefined;
  /** Called once, with the holder's process id, when there is somebody to wait for. */
  onWait?: (pid: number) => void;
}

/**
 * Runs `work` while no other process and nobody in this one holds the lock of the folder. A holder that was killed
 * holds nothing. Throws a Failure when its patience ends.
 */
export async function withFolderLock<T>(folder: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const before = queues.get(folder) ?? Promise.resolve();
  const mine = before.then(() => locked(folder, work, options));
  const settled = mine.catch(() => {});
  queues.set(folder, settled);
  try {
    return await mine;
  } finally {
    if (queues.get(folder) === settled) queues.delete(folder);
  }
}

async function locked<T>(folder: string, work: () => Promise<T>, options: LockOptions): Promise<T> {
  options.signal?.throwIfAborted();
  await mkdir(folder, { recursive: true });
  const lock = await acquire(folder, options);
  const heart = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => {}), beat);
  heart.unref();
  try {
    return await work();
  } finally {
    clearInterval(heart);
    await truncate(lock, 0).catch(() => {});
  }
}

async function acquire(folder: string, { patience = 120_000, signal, onWait }: LockOptions): Promise<string> {
  const deadline = Date.now() + patience;
  let told = false;
  const ticket = temporaryName(folder);
  let pause = 2;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const highest = (await numbers(folder)).at(-1) ?? 0;
      const holder = highest === 0 ? undefined : await holderOf(folder, highest);
      if (holder === undefined) {
        await writeFile(ticket, JSON.stringify(thisProcess()));
        const next = join(folder, String(highest + 1));
        if (await linked(ticket, next)) {
          const now = await numbers(folder);
          if (now.at(-1) === highest + 1) {
            // The last few stay: a listing that runs meanwhile must see at least one that is higher than a late one.
            for (const old of now.slice(0, -8)) await rm(join(folder, String(old)), { force: true });
            return next;
          }
          await rm(next, { force: true });
        }
        continue;
      }
      if (Date.now() > deadline) {
        throw new Failure({
          doing: `locking ${folder}`,
          because: `process ${holder.pid} has held the lock for ${Math.round(patience / 60_000)} minutes`,
          fix: `end that process if it hangs, or remove ${join(folder, String(highest))} if it runs on another machine that is gone`,
        });
      }
      if (!told && holder.pid !== 0) {
        told = true;
        onWait?.(holder.pid);
      }
      await sleep(pause + Math.random() * pause, undefined, { signal }).catch(() => signal?.throwIfAborted());
      pause = Math.min(pause * 2, 50);
    }
  } finally {
    await rm(ticket, { force: true }).catch(() => {});
  }
}

async function numbers(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => /^[1-9][0-9]*$/.test(name));
  return names.map(Number).toSorted((a, b) => a - b);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Who holds that lock; undefined when it was released or its holder is gone. */
async function holderOf(folder: string, number: number): Promise<ProcessIdentity | undefined> {
  const path = join(folder, String(number));
  let text: string;
  let touched: number;
  try {
    text = await readFile(path, 'utf8');
    touched = (await stat(path)).mtimeMs;
  } catch (error) {
    // Removed meanwhile by the holder of a higher number: look again.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { pid: 0, started: null, place: 'gone' };
    throw error;
  }
  if (text === '') return undefined;
  let owner: ProcessIdentity;
  try {
    owner = JSON.parse(text) as ProcessIdentity;
  } catch {
    // Zeros after a power cut: nobody who runs wrote this.
    return undefined;
  }
  if (owner.place === thisProcess().place) return isRunning(owner) ? owner : undefined;
  return Date.now() - touched > silenceOfForeigners ? undefined : owner;
}
