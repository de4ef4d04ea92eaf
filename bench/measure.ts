/** Measures whole processes: seconds by the clock and of the processors, and peak resident memory by GNU time. Medians. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';

export interface Measured {
  /** Median wall-clock seconds of the counted runs. */
  seconds: number;
  allSeconds: number[];
  /** Median processor seconds, of the user's and the system's: nearly the same however busy the machine is. */
  cpuSeconds: number;
  /** Largest peak resident set of any run, in MiB; of the largest single process. */
  peakMiB: number;
}

export interface Command {
  argv: string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Runs before each measured run, uncounted. */
  before?: () => void;
}

type Result = Pick<Measured, 'seconds' | 'cpuSeconds' | 'peakMiB'>;

function once(command: Command): Result {
  command.before?.();
  const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-bench-'));
  const report = path.join(work, 'time');
  const [program, ...args] = command.argv;
  const wrapped = existsSync('/usr/bin/time') ? ['/usr/bin/time', '-f', '%M %U %S', '-o', report] : [];
  const argv = [...wrapped, program!, ...args];
  const start = process.hrtime.bigint();
  const result = spawnSync(argv[0]!, argv.slice(1), {
    cwd: command.cwd,
    env: command.env ?? process.env,
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 1 << 28,
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const told = wrapped.length > 0 ? readFileSync(report, 'utf8').trim().split(/\s+/).slice(-3).map(Number) : [];
  const [kibibytes = NaN, user = NaN, system = NaN] = told;
  rmSync(work, { recursive: true, force: true });
  if (result.status !== 0)
    throw new Error(`${command.argv.join(' ')}: exit ${result.status}: ${result.stderr.toString().slice(-2000)}`);
  return { seconds, cpuSeconds: user + system, peakMiB: kibibytes / 1024 };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Runs the commands in turn (A B A B …), so that a machine whose speed drifts treats them alike. First runs are warm-ups. */
export function measure<K extends string>(commands: Record<K, Command>, runs = 5, warmups = 1): Record<K, Measured> {
  const names = Object.keys(commands) as K[];
  const found = new Map<K, Result[]>(names.map((name) => [name, []]));
  for (let run = 0; run < runs + warmups; run += 1) {
    for (const name of names) {
      const result = once(commands[name]);
      if (run >= warmups) found.get(name)!.push(result);
    }
  }
  return Object.fromEntries(
    names.map((name) => {
      const results = found.get(name)!;
      const allSeconds = results.map((result) => result.seconds);
      return [
        name,
        {
          seconds: median(allSeconds),
          allSeconds,
          cpuSeconds: median(results.map((result) => result.cpuSeconds)),
          peakMiB: Math.max(...results.map((result) => result.peakMiB)),
        },
      ];
    }),
  ) as Record<K, Measured>;
}

/** The figures that `record` kept last, for a bench that measures a part of its cases at a time. */
export function recorded(name: string): Record<string, unknown> {
  const file = path.join(import.meta.dirname, 'results', `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {};
}

export interface CpuMeasured {
  /** Least wall-clock and least CPU seconds of all runs: on a machine with other work, the CPU's tell more. */
  seconds: number;
  cpu: number;
  peakMiB: number;
}

/** Runs one command several times; its CPU seconds are those of all its threads. Needs GNU time. */
export function cpuSeconds(command: Command, runs = 1): CpuMeasured {
  const found: CpuMeasured = { seconds: Infinity, cpu: Infinity, peakMiB: 0 };
  for (let run = 0; run < runs; run += 1) {
    command.before?.();
    const argv = ['-f', 'measured %e %U %S %M', ...command.argv];
    const { status, stderr } = spawnSync('/usr/bin/time', argv, {
      cwd: command.cwd,
      env: command.env ?? process.env,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${command.argv.join(' ')}: exit ${status}: ${stderr.slice(-2000)}`);
    const [seconds, user, system, peak] = /measured (\S+) (\S+) (\S+) (\S+)\s*$/.exec(stderr)!.slice(1).map(Number);
    found.seconds = Math.min(found.seconds, seconds!);
    found.cpu = Math.min(found.cpu, user! + system!);
    found.peakMiB = Math.max(found.peakMiB, peak! / 1024);
  }
  return found;
}

/** Prints and keeps a bench's figures, with the machine they were measured on. */
export function record(name: string, figures: Record<string, unknown>): void {
  const machine = { cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
  const text = `${JSON.stringify({ name, machine, ...figures }, null, 2)}\n`;
  const folder = path.join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), text);
  process.stdout.write(text);
}
