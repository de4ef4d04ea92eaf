import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { main, read, repository } from './project.ts';
import { closeTerminals, hasTerminals, onTerminal } from './pseudo-terminal.ts';

const command = (folder: string) => `${process.execPath} ${main} -C ${folder} options menu`;
/** What the terminal is like after the command, on one line. */
const after = "; echo exit=$?; echo is: $(stty -a | grep -oE '[-]?(icanon|echo|isig) ')";
const asBefore = /is: isig icanon echo\s/;
const leftScreen = '\u001b[?1049l';

afterEach(closeTerminals);

describe.skipIf(!hasTerminals)('options menu on a terminal', { timeout: 180_000 }, () => {
  test('is drawn, takes keys, follows the size, saves, and leaves the terminal as it was', async () => {
    const folder = repository();
    const run = onTerminal(`${command(folder)}${after}`, { TERM: 'xterm' });
    await run.until(/\[\?1049h/);
    await run.until(/Backend {2}--->/);
    run.type('\r');
    await run.until(/\[\*\] OpenVINO/);
    run.type('\u001b[B ');
    await run.until(/\[\*\] Tensorflow/);
    await run.until(/Fast kernels/);
    run.resize(8, 30);
    // Cut to what is there now.
    await run.until(/CCAI configuration > Backend/);
    await run.until(/S save {2}Q l[^e]/);
    run.type('?');
    await run.until(/TENSORFLOW = y \(bool\)/);
    run.type('q');
    await run.until(/\[\*\] Tensorflow/);
    run.type('q');
    await run.until(/Save to \.config\?/);
    run.type('y');
    await run.until(/TENSORFLOW: n → y\s+\.config written/);
    await run.until(/exit=0/);
    await run.until(asBefore);
    await run.ended;
    expect(run.output()).toContain(leftScreen);
    expect(read(folder, '.config')).toMatch(/^CONFIG_TENSORFLOW=y$/m);
  });

  test('Ctrl-C and a signal leave nothing but the terminal as it was', async () => {
    const folder = repository();
    const typed = onTerminal(`${command(folder)}${after}`, { TERM: 'vt100' });
    await typed.until(/Workers/);
    typed.type('\u001b[B\r9\r');
    typed.type('\u0003');
    await typed.until(/exit=130/);
    await typed.until(asBefore);
    expect(typed.output()).toContain(leftScreen);
    // The shell tells its number, and the menu takes its place.
    const signalled = onTerminal(`sh -c 'echo pid=$$; exec ${command(folder)}'${after}`, { TERM: 'xterm' });
    const [, pid] = await signalled.until(/pid=(\d+)/);
    await signalled.until(/Workers/);
    process.kill(Number(pid), 'SIGTERM');
    await signalled.until(/exit=143/);
    await signalled.until(asBefore);
    expect(signalled.output()).toContain(leftScreen);
    expect(existsSync(path.join(folder, '.config'))).toBe(false);
  });

  test('where there is no screen, it asks', async () => {
    const folder = repository();
    const run = onTerminal(`${command(folder)}; echo exit=$?`, { TERM: 'dumb' });
    await run.until(/OpenVINO \(OPENVINO\) \[Y\/n\/\?\] /);
    run.type('?\n');
    await run.until(/Intel's inference engine/);
    run.type('\n');
    await run.until(/Tensorflow \(TENSORFLOW\) \[N\/y\/\?\] /);
    run.type('y\n');
    await run.until(/Fast kernels \(FAST\) \[N\/y\/\?\] /);
    run.type('\n');
    await run.until(/Workers \(WORKERS\) \(1 to 64, now 4\) /);
    run.type('99\n');
    await run.until(/99 is not between 1 and 64/);
    run.type('16\n');
    await run.until(/Greeting \(GREETING\) \(now Hello, 世界\) /);
    run.type('\n');
    await run.until(/> 1\. Processor \(CPU\)\s+2\. Graphics \(GPU\)\s+1 to 2, now 1: /);
    run.type('2\n');
    await run.until(/Save to \.config\? \[Y\/n\] /);
    run.type('\n');
    await run.until(/exit=0/);
    await run.ended;
    expect(run.output()).not.toContain('\u001b');
    expect(read(folder, '.config')).toMatch(/TENSORFLOW=y[^]*WORKERS=16[^]*GPU=y/);
  });
});

test('options menu without a terminal says what to use instead', { timeout: 60_000 }, () => {
  const { status, stderr } = spawnSync(process.execPath, [main, '-C', repository(), 'options', 'menu'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/standard input is no terminal\nnext: use `imgbuild options list` and `imgbuild options set/);
});
