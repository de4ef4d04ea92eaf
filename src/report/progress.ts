import type { Progress } from '../progress.ts';
import type { Style } from './failure.ts';

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** `1.4 GB`: powers of ten, as disks and networks count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `5.3 s`, `2 min 10 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

interface Transfer {
  label: string;
  total: number | undefined;
  done: number;
  started: number;
}

function transferLine({ label, total, done, started }: Transfer): string {
  const seconds = (Date.now() - started) / 1000;
  const rate = seconds > 0.5 ? `, ${formatBytes(done / seconds)}/s` : '';
  if (total === undefined) return `${label}: ${formatBytes(done)}${rate}`;
  const left = done > 0 && seconds > 1 ? `, ${formatSeconds((total - done) * (seconds / done))} left` : '';
  return `${label}: ${formatBytes(done)} of ${formatBytes(total)}${rate}${left}`;
}

/** A transfer that is over before this many milliseconds is not worth a line in CI. */
const plainAfter = 5000;
const redrawEvery = 100;

/**
 * Progress on a stream: on a terminal the transfers under way are redrawn in place, elsewhere a plain line every five
 * seconds and one at the end of long ones.
 */
export function streamProgress(output: Output, style: Style): Progress & { close(): void } {
  const live = output.isTTY === true;
  const running = new Set<Transfer>();
  let drawn = 0;
  let last = 0;
  const clear = () => {
    if (drawn > 0) output.write(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  const draw = () => {
    if (!live || running.size === 0) return;
    const width = (output.columns ?? 80) - 1;
    const lines = [...running].map((transfer) => style.dim(transferLine(transfer).slice(0, width)));
    output.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  const write = (text: string) => {
    clear();
    output.write(`${text}\n`);
    draw();
  };
  return {
    note: write,
    warn: (text) => write(`${style.yellow('warning:')} ${text}`),
    transfer(label, total) {
      const transfer: Transfer = { label, total, done: 0, started: Date.now() };
      running.add(transfer);
      let told = transfer.started;
      return {
        add(bytes) {
          transfer.done += bytes;
          const now = Date.now();
          if (live && now - last > redrawEvery) {
            last = now;
            clear();
            draw();
          } else if (!live && now - told > plainAfter) {
            told = now;
            output.write(`${transferLine(transfer)}\n`);
          }
        },
        end() {
          running.delete(transfer);
          const long = Date.now() - transfer.started > 1000;
          if (long) write(transferLine({ ...transfer, total: undefined }));
          else if (live) {
            clear();
            draw();
          }
        },
      };
    },
    close: clear,
  };
}
