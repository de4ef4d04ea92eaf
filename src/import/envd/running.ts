import { wrong } from '../starlark/source.ts';
import { literal } from './shell.ts';
import type { Collected, Said } from './steps.ts';

/** A label in which an image says with which options it is meant to be run. */
export const runLabel = 'vnd.imgbuild.run';

/** What an image says of how it is run; each with the call that it comes from. Throws a Failure where that is said twice. */
export function runningOf(collected: Collected): { text: string; call: string; span: Said<unknown>['span'] }[] {
  const { environ, paths, ports, labels, runOptions } = collected;
  const found = [
    ...environ.map((said) => ({ ...said, text: `ENV ${said.value[0]}=${assigned(said.value[1])}` })),
    ...paths.map((said) => ({ ...said, text: `ENV PATH=$PATH:${assigned(said.value)}` })),
    ...ports.map((said) => ({ ...said, text: `EXPOSE ${said.value}` })),
    ...labels.map((said) => ({ ...said, text: `LABEL ${said.value[0]}=${assigned(said.value[1])}` })),
  ];
  const last = runOptions.at(-1);
  if (last) {
    const options = runOptions.map(({ value }) => value).join(' ');
    found.push({ ...last, value: ['', ''], text: `LABEL ${runLabel}=${assigned(options)}` });
  }
  return [...found.map(({ text, call, span }) => ({ text, call, span })), ...startOf(collected)];
}

/** In double quotes: spaces stay, and builders see no variable. */
function assigned(text: string): string {
  const plain = literal(text);
  return plain === '' ? '""' : plain;
}

function startOf({ entrypoint, daemons, init }: Collected) {
  const json = (keyword: string, words: readonly string[]) => `${keyword} ${JSON.stringify(words)}`;
  const first = (init?.value ?? []).map((line) => `${line}\n`).join('');
  if (entrypoint && daemons) {
    const fix = 'keep one of the two: the entrypoint may start what the daemons are';
    throw wrong(daemons.span, 'config.entrypoint says what the image runs, and so does runtime.daemon', fix);
  }
  if (daemons) {
    const lines = daemons.value.map((words) => words.join(' '));
    const one = lines.length === 1 && !/[;&|<>\n]/.test(lines[0]!);
    // The container ends when one of them does: whoever runs it starts it anew.
    const script = one
      ? `exec ${lines[0]}`
      : `trap 'kill $(jobs -p)' TERM INT\n${lines.map((line) => `${line} &`).join('\n')}\nwait -n`;
    const words = ['/bin/bash', '-euo', 'pipefail', '-c', first + script];
    return [{ text: json('CMD', words), call: daemons.call, span: daemons.span }];
  }
  if (entrypoint) {
    const { value, call, span } = entrypoint;
    const script = ['/bin/bash', '-euo', 'pipefail', '-c', `${first}exec "$@"`, 'bash', ...value];
    return [{ text: json('ENTRYPOINT', init ? script : value), call, span }];
  }
  if (init) {
    const fix = 'say what it runs: config.entrypoint(args = […]) or runtime.daemon(commands = [[…]])';
    throw wrong(init.span, 'runtime.init goes before what the image runs, and nothing is run', fix);
  }
  return [];
}
