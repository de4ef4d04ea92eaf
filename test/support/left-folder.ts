import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';

const source = join(import.meta.dirname, '../../src/files/temporary-folder.ts');

/** Has a process make a temporary folder in `parent`, kills it, and returns the name of what it left. */
export function leftFolder(parent: string, prefix: string): string {
  const program = `
    import { makeTemporaryFolder } from ${JSON.stringify(source)};
    const { path } = await makeTemporaryFolder(${JSON.stringify(parent)}, ${JSON.stringify(prefix)});
    process.stdout.write(path, () => process.kill(process.pid, 'SIGKILL'));
    setInterval(() => {}, 1000);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return basename(stdout);
}
