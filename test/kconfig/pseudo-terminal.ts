import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

/** A shell command on a terminal of its own, by util-linux's script(1). */
export interface TerminalRun {
  /** All that has come to the terminal. */
  output(): string;
  type(keys: string): void;
  /** Resolves with what matched, looked for behind what was matched before. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  resize(rows: number, columns: number): void;
  /** Resolves when the command has ended. */
  ended: Promise<void>;
}

const running = new Set<ChildProcess>();
/** Milliseconds: a program that says nothing for so long waits for something else. */
const patience = 60_000;

export const hasTerminals = spawnSync('script', ['--version']).status === 0;

export function onTerminal(command: string, env: NodeJS.ProcessEnv): TerminalRun {
  // The terminal's name first, so that its size can be set from here.
  const child = spawn('script', ['-qefc', `tty; stty rows 20 cols 70; ${command}`, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.add(child);
  let text = '';
  let seen = 0;
  let wake = () => {};
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      running.delete(child);
      resolve();
      wake();
    });
  });
  const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text.slice(seen));
      if (match) {
        seen += match.index + match[0].length;
        return match;
      }
      const before = text.length;
      if (running.has(child)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, patience).unref();
        });
      }
      if (text.length === before) throw new Error(`${pattern} did not come:\n${JSON.stringify(text.slice(seen))}`);
    }
  };
  return {
    output: () => text,
    type: (keys) => void child.stdin.write(keys),
    until,
    resize(rows, columns) {
      const tty = /\/dev\/\S+/.exec(text)![0];
      spawnSync('stty', ['-F', tty, 'rows', String(rows), 'cols', String(columns)]);
    },
    ended,
  };
}

/** Ends what still runs; its programs are told that their terminal is gone. */
export function closeTerminals(): void {
  for (const child of running) child.kill();
}
