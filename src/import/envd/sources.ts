import type { Collected } from './steps.ts';
import { quote, word, writeFile } from './shell.ts';

/** A file system in memory that each step has of its own: nothing of it reaches the image. */
export const scratch = '/dev/shm';

/** Commands that set a step up to take packages from where the file says, for this step alone. */
export function aptSetup({ aptSource }: Collected): string[] {
  if (!aptSource) return [];
  const text = dedent(aptSource.value);
  const modern = /^Types:/m.test(text);
  const list = modern ? '/dev/null' : `${scratch}/sources.list`;
  const parts = modern ? `${scratch}/sources.list.d` : '-';
  return [
    ...(modern ? [`mkdir ${parts}`] : []),
    writeFile(text, modern ? `${parts}/envd.sources` : list),
    writeFile(`Dir::Etc::SourceList "${list}";\nDir::Etc::SourceParts "${parts}";`, `${scratch}/apt.conf`),
    `export APT_CONFIG=${scratch}/apt.conf`,
  ];
}

export function pipSetup({ pipIndex }: Collected): string[] {
  if (!pipIndex) return [];
  const { url, extra, trust } = pipIndex.value;
  const hosts = [url, extra].flatMap((each) => (URL.canParse(each) ? [new URL(each).hostname] : []));
  return [
    ...(url === '' ? [] : [`export PIP_INDEX_URL=${word(url)}`]),
    ...(extra === '' ? [] : [`export PIP_EXTRA_INDEX_URL=${quoted(extra)}`]),
    ...(trust && hosts.length > 0 ? [`export PIP_TRUSTED_HOST=${quoted([...new Set(hosts)].join(' '))}`] : []),
  ];
}

export function condaSetup({ condaChannel }: Collected): string[] {
  if (!condaChannel) return [];
  return [writeFile(dedent(condaChannel.value), condaFile), `export CONDARC=${condaFile}`];
}

export const condaFile = `${scratch}/condarc`;

function quoted(text: string): string {
  return /\s/.test(text) ? quote(text) : word(text);
}

/** Without the lines above and below, and the indentation that all lines share. */
export function dedent(text: string): string {
  const lines = text
    .replaceAll('\r\n', '\n')
    .replaceAll('\t', '    ')
    .split('\n')
    .map((line) => line.trimEnd());
  while (lines[0] === '') lines.shift();
  while (lines.at(-1) === '') lines.pop();
  const indents = lines.filter((line) => line !== '').map((line) => /^ */.exec(line)![0].length);
  const shared = Math.min(...indents, Infinity);
  return lines.map((line) => line.slice(Number.isFinite(shared) ? shared : 0)).join('\n');
}
