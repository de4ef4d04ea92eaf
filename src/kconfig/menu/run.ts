import { Failure } from '../../failure.ts';
import type { Key } from './keys.ts';
import type { Menu } from './menu.ts';
import { Terminal, type TerminalStreams } from './terminal.ts';
import { view } from './view.ts';

export interface MenuRun {
  menu: Menu;
  streams: TerminalStreams;
  /** How the file is named that `save` writes. */
  file: string;
  save(): Promise<void>;
  /** Ends the menu without saving: it rejects with the reason. */
  signal: AbortSignal;
}

/** Shows the menu until it is left. Rejects when the terminal is gone; on every way out the terminal is as it was. */
export async function runMenu({ menu, streams, file, save, signal }: MenuRun): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let work = Promise.resolve();

  const press = async (key: Key): Promise<void> => {
    if (key.name === 'interrupt') {
      // As where the terminal itself makes the signal of it.
      process.kill(process.pid, 'SIGINT');
      return;
    }
    if (key.name === 'suspend') return terminal.suspend();
    const outcome = menu.press(key);
    const saves = outcome === 'save' || outcome === 'save-and-leave';
    const isSaved = saves && (await trySave());
    if (outcome === 'leave' || (outcome === 'save-and-leave' && isSaved)) resolve();
    else draw();
  };
  /** Where the file cannot be written the menu stays: what was set is not lost. */
  const trySave = async (): Promise<boolean> => {
    try {
      await save();
      menu.tell(`${file} written`);
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      menu.stay(error.message);
      return false;
    }
  };
  const draw = (): void => terminal.draw(view(menu, terminal.size, file));
  const terminal = new Terminal(
    streams,
    // One after the other: a key that comes while the file is written waits.
    (key) => void (work = work.then(() => press(key)).catch(reject)),
    draw,
  );

  const stop = () => reject(signal.reason);
  const hangUp = () => reject(gone());
  signal.addEventListener('abort', stop, { once: true });
  process.once('SIGHUP', hangUp);
  streams.input.once('end', hangUp);
  try {
    terminal.open();
    draw();
    await promise;
  } finally {
    terminal.close();
    signal.removeEventListener('abort', stop);
    process.off('SIGHUP', hangUp);
    streams.input.off('end', hangUp);
  }
}

function gone(): Failure {
  return new Failure({
    doing: 'showing the menu',
    because: 'the terminal is gone',
    fix: '`imgbuild options set NAME=value` needs none',
  });
}
