/** The memory of a program and all that it starts: what GNU time cannot tell, which knows the largest process alone. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Runs a command and returns the sum of the largest resident sets that its processes ever had, in MiB: at least what they
 * had together. Looks every 10 ms; the kernel keeps each process's peak (proc(5), VmHWM).
 */
export async function peakOfAll(argv: readonly string[]): Promise<number> {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: 'ignore' });
  const peaks = new Map<number, number>();
  const look = setInterval(() => {
    for (const pid of [child.pid!, ...descendants(child.pid!)]) {
      // What a process had before it became another program is that of the one which started it, seen twice.
      const peak = peakKiB(pid);
      if (peak > 0) peaks.set(pid, peak);
    }
  }, 10);
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${String(code)}`);
  return [...peaks.values()].reduce((sum, each) => sum + each, 0) / 1024;
}

function descendants(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean))
      .map(Number)
      .flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return []; // It has ended.
  }
}

function peakKiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+([0-9]+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Runs a command in a control group that may have so many bytes of memory, its files in the page cache among them: the
 * kernel ends what needs more. Returns its exit code; undefined where this user may make no such group.
 */
export async function underMemoryLimit(bytes: number, argv: readonly string[]): Promise<number | undefined> {
  const v1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const group = path.join(v1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', `imgbuild-bench-${process.pid}`);
  try {
    mkdirSync(group);
    writeFileSync(path.join(group, v1 ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
  } catch {
    return undefined;
  }
  try {
    const enter = ['-c', 'echo $$ > "$0" && exec "$@"', path.join(group, 'cgroup.procs'), ...argv];
    const child = spawn('sh', enter, { stdio: ['ignore', 'ignore', 'inherit'] });
    return await new Promise((resolve, reject) => {
      child.once('error', reject).once('close', (code) => resolve(code ?? 137));
    });
  } finally {
    rmdirSync(group);
  }
}
