import type { ShellCommand } from './shell.ts';

/** Programs that fetch, unpack or install. */
const programs = new Set(
  'apt apt-get conda curl dnf dpkg make mamba pip pip3 rpm tar unzip wget yum zypper'.split(' '),
);
const shells = new Set(['bash', 'sh', 'dash', 'source', '.']);

/** The program of a command and what follows it, past assignments, `sudo` and the like. */
function programOf({ words }: ShellCommand): string[] {
  const raws = words.map(({ raw, values }) => (values.length === 1 ? values[0]! : raw));
  const first = raws.findIndex((word) => !/^\w+=/.test(word) && !['sudo', 'env', 'exec', 'time', 'yes'].includes(word));
  return first < 0 ? [] : raws.slice(first);
}

function isInstaller(command: ShellCommand): boolean {
  const [program = '', ...rest] = programOf(command);
  const name = program.slice(program.lastIndexOf('/') + 1);
  if (shells.has(program)) return rest.some((word) => !word.startsWith('-'));
  if (/^python3?(?:\.\d+)?$/.test(name)) return rest.includes('install') || rest.includes('pip');
  return programs.has(name) || program.startsWith('./') || /\.(?:run|sh|bin)$/.test(program);
}

/** `set -e`, also among other letters, `set -o errexit`; `-e` of a shell. */
function setsErrexit(command: ShellCommand): boolean {
  const words = programOf(command);
  return (
    words[0] === 'set' &&
    words.some((word, index) => /^-\w*e/.test(word) || (word === 'errexit' && words[index - 1] === '-o'))
  );
}

/** Commands that install something and are followed by `;` or a new line: their failure is forgotten there. */
export function passedOver(commands: readonly ShellCommand[]): ShellCommand[] {
  const found: ShellCommand[] = [];
  for (const [index, command] of commands.entries()) {
    if (setsErrexit(command)) return found;
    const isLast = index === commands.length - 1;
    if (isLast || command.isCondition || ![';', '\n', '&'].includes(command.followedBy)) continue;
    if (isInstaller(command)) found.push(command);
  }
  return found;
}

/** What `bash X.sh` and `./X.sh` run, unless the shell is told to stop at a failure. */
export function scriptsOf(commands: readonly ShellCommand[]): { command: ShellCommand; script: string }[] {
  return commands.flatMap((command) => {
    const [program = '', ...rest] = programOf(command);
    if (!shells.has(program)) return program.endsWith('.sh') ? [{ command, script: program }] : [];
    const script = rest.find((word) => !word.startsWith('-'));
    const stops = rest.some((word) => /^-[a-z]*e/.test(word));
    return script === undefined || stops || !script.endsWith('.sh') ? [] : [{ command, script }];
  });
}

/** What names the place of a command in its line. */
export function beginningOf({ words }: ShellCommand): string {
  return words
    .slice(0, 2)
    .map(({ raw }) => raw)
    .join(' ');
}

export function commandText({ words }: ShellCommand): string {
  const text = words.map(({ raw }) => raw).join(' ');
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
