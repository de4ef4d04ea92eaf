import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { BuildContext } from '../../src/context/context.ts';
import { openContext, openWorkTree } from '../../src/context/context.ts';
import type { FileSelection } from '../../src/dockerfile/analysis.ts';

/** A file's text; `exec` and `link` for the other kinds; null for an empty folder. */
export type Content = string | Buffer | { exec: string } | { link: string } | null;

export const at = { file: 'Dockerfile', line: 1, column: 1, length: 1, text: '' };

export function temporary(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), 'context-test-')));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

export function put(root: string, path: string, content: Content): void {
  const file = join(root, path);
  mkdirSync(content === null ? file : dirname(file), { recursive: true });
  if (content === null) return;
  if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(file, content, { mode: 0o644 });
  else if ('link' in content) symlinkSync(content.link, file);
  else {
    writeFileSync(file, content.exec);
    chmodSync(file, 0o755);
  }
}

/** A folder with these files, without git. */
export function folder(files: Record<string, Content>): string {
  const root = temporary();
  for (const [path, content] of Object.entries(files)) put(root, path, content);
  return root;
}

const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'init.defaultBranch=main'];

/** Runs git as a user would: with the settings of this test alone. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', [...identity, '-c', 'protocol.file.allow=always', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' },
  });
}

/** A repository with these files committed. */
export function repository(files: Record<string, Content>): string {
  const root = folder(files);
  git(root, 'init', '-q');
  git(root, 'add', '-A', '-f');
  git(root, 'commit', '-qm', 'first', '--allow-empty');
  return root;
}

export interface Layer {
  context: string;
  dockerfile: string;
  copy: { src: string; dst: string }[];
  git: boolean;
}

export async function open(root: string, layer: Partial<Layer> = {}): Promise<BuildContext> {
  const context = layer.context ?? '.';
  const dockerfile = layer.dockerfile ?? join(context, 'Dockerfile');
  return openContext({
    root,
    layer: { context, dockerfile, copy: layer.copy ?? [], git: layer.git ?? false },
    tree: await openWorkTree(root),
  });
}

export function copy(...patterns: string[]): FileSelection {
  return { via: 'copy', patterns, excludes: [], parents: false, at };
}

/** The paths that a COPY of these patterns reads. */
export async function read(root: string, patterns: string[], layer?: Partial<Layer>): Promise<string[]> {
  const context = await open(root, layer);
  return Array.from(await context.select([copy(...patterns)]), (entry) => entry.path);
}

/** Path → `mode hash`, of everything. */
export async function everything(root: string, layer?: Partial<Layer>): Promise<Record<string, string>> {
  const entries = await (await open(root, layer)).all();
  return Object.fromEntries(Array.from(entries, ({ path, mode, hash }) => [path, `${mode} ${hash}`]));
}
