import { KeyReader, type Key } from './keys.ts';
import type { Line, Size } from './view.ts';
import { cut } from './width.ts';

/** What a menu needs of a terminal: raw input, and a screen for escape sequences. */
export interface TerminalStreams {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
}

const escape = '\u001b[';
const enterScreen = `${escape}?1049h${escape}?25l`;
const leaveScreen = `${escape}0m${escape}?25h${escape}?1049l`;
/** Milliseconds after which an Escape is a key of its own. */
const escapeTime = 50;
const looks = { title: '1', marked: '7', dim: '2', error: '1' } as const;

/**
 * A terminal that shows a screen of its own and hands over keys, until `close`: then it is as it was, also when the
 * process ends in between.
 */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #onKey: (key: Key) => void;
  readonly #onRedraw: () => void;
  readonly #keys = new KeyReader();
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;

  constructor(streams: TerminalStreams, onKey: (key: Key) => void, onRedraw: () => void) {
    this.#streams = streams;
    this.#onKey = onKey;
    this.#onRedraw = onRedraw;
  }

  get size(): Size {
    const { columns = 80, rows = 24 } = this.#streams.output;
    return { columns: columns || 80, rows: rows || 24 };
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { input, output } = this.#streams;
    process.on('exit', this.#restore);
    process.on('SIGCONT', this.#resume);
    output.on('resize', this.#onRedraw);
    input.on('data', this.#read);
    this.#take();
    input.resume();
  }

  close(): void {
    if (!this.#isOpen) return;
    const { input, output } = this.#streams;
    process.off('exit', this.#restore);
    process.off('SIGCONT', this.#resume);
    output.off('resize', this.#onRedraw);
    input.off('data', this.#read);
    input.pause();
    clearTimeout(this.#timer);
    this.#restore();
    this.#isOpen = false;
  }

  /** Gives the terminal back to the shell until it continues this process. */
  suspend(): void {
    this.#restore();
    process.kill(0, 'SIGTSTP');
    // Where nobody could continue it, the system does not stop it.
    setTimeout(this.#resume, 100);
  }

  draw(lines: readonly Line[]): void {
    const rows = lines.map((line) => `${painted(line)}${escape}K`);
    this.#streams.output.write(`${escape}H${rows.join('\r\n')}${escape}J`);
  }

  #take(): void {
    this.#streams.input.setRawMode(true);
    this.#streams.output.write(enterScreen);
  }

  readonly #resume = (): void => {
    if (!this.#isOpen) return;
    this.#take();
    this.#onRedraw();
  };

  readonly #restore = (): void => {
    if (!this.#isOpen) return;
    this.#streams.output.write(leaveScreen);
    try {
      this.#streams.input.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  };

  readonly #read = (bytes: Buffer): void => {
    clearTimeout(this.#timer);
    for (const key of this.#keys.read(bytes)) this.#onKey(key);
    if (!this.#keys.waits) return;
    this.#timer = setTimeout(() => {
      for (const key of this.#keys.flush()) this.#onKey(key);
    }, escapeTime);
  };
}

function painted({ text, look, cursor }: Line): string {
  if (cursor !== undefined) {
    const before = cut(text, cursor);
    const [at = ' '] = text.slice(before.length);
    const after = text.slice(before.length + at.length);
    return `${before}${escape}7m${at}${escape}0m${after}`;
  }
  return look === undefined ? text : `${escape}${looks[look]}m${text}${escape}0m`;
}
