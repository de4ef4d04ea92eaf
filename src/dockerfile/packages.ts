import type { SourceLocation } from '../failure.ts';
import type { Platform } from '../oci/platform.ts';
import { heredocBodies, type Instruction } from './instruction.ts';
import type { Dockerfile } from './parse.ts';
import { commandsOf, type ShellCommand } from './shell.ts';
import { unknown } from './shell-expansion.ts';
import type { Variables } from './variables.ts';

/** Where the packages folder is expected: `172.17.0.1`, 3000. */
export interface PackageAddress {
  host: string;
  port: number;
}

/** Files of the packages folder that one word, mount or COPY of a needed stage names. */
export interface PackageUse {
  /** `url`: fetched by a step or by ADD; the others take them from the named context. */
  via: 'url' | 'mount' | 'copy';
  /** Of `url`. */
  address?: PackageAddress;
  /**
   * Paths below the folder, one of which has to be there; all that are there count. `*` stands for what is not known before
   * the build (or written so in COPY). A folder means all that is in it; '' is the whole.
   */
  patterns: string[];
  at: SourceLocation;
  /** The first line of the RUN whose step rests on the files; absent for ADD, mounts, COPY, and triggers of an image. */
  step?: number;
  /** Of `url`: by an ONBUILD trigger, which is nowhere in the file. */
  triggered?: boolean;
}

export interface PackageOptions {
  /** Of the layer; any private IPv4 address where empty. As `172.17.0.1:3000`. */
  at: readonly string[];
  platform: Platform;
}

/** The name of the context in which `packages:` can be mounted and copied from. */
export const packagesContext = 'packages';

/** RFC 1918: where the bridges of engines have their addresses. */
const privateAddress = /^(?:10\.\d+|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+$/;

/** What `uname -m` says on a platform; the names of installers have it. */
export function machineOf({ architecture, variant }: Platform): string {
  const names: Record<string, string> = { amd64: 'x86_64', arm64: 'aarch64', '386': 'i686' };
  if (architecture === 'arm') return `arm${variant ?? 'v7'}l`;
  return names[architecture] ?? architecture;
}

/** The address and path of a URL that means a file of the packages folder; undefined for any other text. */
export function packageUrl(
  text: string,
  { at }: Pick<PackageOptions, 'at'>,
): { address: PackageAddress; path: string } | undefined {
  const [whole, host = '', port = '80', path = ''] =
    /^http:\/\/(\d+(?:\.\d+){3})(?::(\d+))?((?:\/[^?#]*)?)/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const expected = at.length === 0 ? privateAddress.test(host) : at.includes(`${host}:${Number(port)}`);
  if (!expected) return undefined;
  return { address: { host, port: Number(port) }, path: plainPath(path) };
}

/** Below the folder, decoded; what cannot be known becomes `*`. */
function plainPath(path: string): string {
  const parts = path.split('/').map(decoded);
  const below = parts.filter((part) => !['', '.', '..'].includes(part) && !part.includes('/'));
  return below.join('/').replaceAll(unknown, '*').replaceAll(/\*+/g, '*');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The commands of a RUN, with the values of their words where these rest on variables only. */
export function stepCommands(instruction: Instruction, variables: Variables, platform: Platform): ShellCommand[] {
  const { operands } = instruction;
  if (operands.form === 'json') {
    return [{ words: operands.words.map((raw) => ({ raw, values: [raw] })), followedBy: '', isCondition: false }];
  }
  const text = operands.form === 'text' ? operands.text : '';
  const script = [text, ...heredocBodies(instruction)].join('\n');
  return commandsOf(script, {
    variables: variables.values,
    doubtful: variables.doubtful,
    open: variables.open,
    machine: machineOf(platform),
    architecture: platform.architecture,
  });
}

/** The files of the packages folder that a RUN fetches. */
export function fetchedBy(
  dockerfile: Dockerfile,
  instruction: Instruction,
  commands: readonly ShellCommand[],
  options: PackageOptions,
  triggered: boolean,
): PackageUse[] {
  const uses: PackageUse[] = [];
  for (const { raw, values } of commands.flatMap(({ words }) => words)) {
    // What a variable is given counts where it is used.
    if (/^\w+=/.test(raw)) continue;
    const found = values.flatMap((value) => {
      const start = value.indexOf('http://');
      const url = start < 0 ? undefined : packageUrl(value.slice(start), options);
      return url === undefined ? [] : [url];
    });
    if (found.length === 0) continue;
    // One word has one address, whatever else in it is open.
    const { address } = found[0]!;
    const written = raw.slice(Math.max(0, raw.indexOf('http://'))).replace(/["']$/, '');
    const at = triggered ? instruction.at : dockerfile.locate(instruction, written);
    uses.push({
      via: 'url',
      address,
      patterns: [...new Set(found.map(({ path }) => path))],
      at,
      ...(triggered ? { triggered } : { step: instruction.lines[0] }),
    });
  }
  return uses;
}
