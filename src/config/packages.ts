import { posix } from 'node:path';
import { Wrong } from './wrong.ts';

/** The folder of `packages:`, normalised. Unlike contexts it may lie outside of the repository. Throws a Wrong. */
export function parsePackagesFolder(text: string): string {
  const hint = "write a path, absolute or relative to the repository's root";
  if (text === '') throw new Wrong('the path is empty', hint);
  if (text.startsWith('~')) throw new Wrong('~ stands for no folder here', hint);
  // Names of files below it stand in a list with a line for each, and in arguments of programs.
  if (/[\0\n\r\\]/.test(text)) throw new Wrong('the path contains a character that packages.lock cannot hold', hint);
  return posix.normalize(text).replace(/(.)\/$/, '$1');
}

/** `IP[:PORT]`, with the port that a URL without one means. Throws a Wrong. */
export function parsePackagesAddress(text: string): string {
  const [, host = '', port = '80'] = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const good =
    host !== '' && host.split('.').every((part) => Number(part) < 256) && Number(port) > 0 && Number(port) < 65_536;
  if (!good) throw new Wrong('this is not an address', 'write IP:PORT as the Dockerfile has it, as in 172.17.0.1:3000');
  return `${host}:${Number(port)}`;
}
