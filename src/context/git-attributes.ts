import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { git } from './git.ts';

const conversions = ['text', 'eol', 'crlf', 'filter', 'ident', 'working-tree-encoding'];

// A line that sets one of them; to unset or unspecify one converts nothing.
const sets = new RegExp(`(?:^|\\s)(?:${conversions.join('|')})(?:=|\\s|$)`, 'm');

/** What may make the bytes of a checked-out file differ from its blob's. */
export interface Conversion {
  /** core.autocrlf converts every file that has not the attribute -text. */
  autocrlf: boolean;
  /** Some file of attributes that git reads here sets a converting attribute. */
  attributes: boolean;
}

/** The attributes files that git reads for `root`, but those below it. */
function attributesFiles(root: string, prefix: string, infoFile: string, configured: string | undefined): string[] {
  const files = ['/etc/gitattributes', '/usr/local/etc/gitattributes', resolve(root, infoFile)];
  if (configured !== undefined) files.push(configured.replace(/^~(?=\/)/, homedir()));
  else files.push(join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'git/attributes'));
  const depth = prefix.split('/').filter((part) => part !== '').length;
  for (let up = 1; up <= depth; up++) files.push(join(root, '../'.repeat(up), '.gitattributes'));
  return files;
}

async function setsConversion(file: string, absent = false): Promise<boolean> {
  try {
    return sets.test(await readFile(file, 'utf8'));
  } catch (error) {
    // What cannot be read here may be readable to whoever checked the files out.
    return absent || !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

/** The settings of git that `conversionsAbove` reads. */
export async function conversionSettings(root: string, signal?: AbortSignal): Promise<string> {
  const names = '^(core\\.(autocrlf|attributesfile)|attr\\.tree)$';
  const settings = await git(root, ['config', '-z', '--get-regexp', names], { signal, userSettings: true });
  return settings?.toString('utf8') ?? '';
}

/** Looks only outside the listed paths: at git's settings and the attributes files above `root` (`prefix` below the top). */
export async function conversionsAbove(
  root: string,
  prefix: string,
  infoFile: string,
  settings: string,
): Promise<Conversion> {
  let autocrlf = false;
  let attributes = false;
  let configured: string | undefined;
  for (const entry of settings.split('\0')) {
    const [name, value] = entry.split('\n');
    // A name without a value is true.
    if (name === 'core.autocrlf') autocrlf = !['false', 'no', 'off', '0', ''].includes((value ?? 'true').toLowerCase());
    if (name === 'core.attributesfile') configured = value;
    // Attributes may come from a commit, where they are not looked for here.
    if (name === 'attr.tree') attributes = true;
  }
  const files = attributesFiles(root, prefix, infoFile, configured);
  const found = await Promise.all(files.map((file) => setsConversion(file)));
  return { autocrlf, attributes: attributes || found.includes(true) };
}

/** Whether any of these .gitattributes files, relative to `root`, sets a conversion: git takes an absent one from the index. */
export async function conversionsIn(root: string, files: readonly string[]): Promise<boolean> {
  for (const file of files) if (await setsConversion(join(root, file), true)) return true;
  return false;
}

/** The tracked paths that no attribute or setting converts, NUL-ended, in git's order. */
export async function unconvertedPaths(root: string, conversion: Conversion, signal?: AbortSignal): Promise<Buffer> {
  const others = conversions
    .slice(1)
    .map((name) => `!${name}`)
    .join(' ');
  const binary = `:(attr:-text !eol !crlf !filter !ident !working-tree-encoding)`;
  const specs = conversion.autocrlf ? [binary] : [`:(attr:!text ${others})`, binary];
  return (await git(root, ['ls-files', '-z', '--', ...specs], { signal })) ?? Buffer.alloc(0);
}
