/**
 * 1 GB of incompressible weights as a model, against sha256sum and curl in the same run: summing it up (`first`), knowing
 * it (`again`: by its times), fetching it from a server on this machine into an empty cache (`fetch`, against
 * `curl | sha256sum` and `curl && sha256sum`), publishing it in a folder store (`push`), and pushing it unchanged.
 *
 * Wanted: first ≤ sha256sum; fetch ≤ curl && sha256sum; peak memory at 1 GB as at 100 MB.
 *
 * With BYTES in the environment other sizes are measured.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, measure, record } from './measure.ts';

function writeWeights(file: string, bytes: number): string {
  const hash = createHash('sha256');
  const handle = openSync(file, 'w');
  for (let left = bytes; left > 0;) {
    const block = randomBytes(Math.min(left, 16 * 1024 * 1024));
    writeSync(handle, block);
    hash.update(block);
    left -= block.length;
  }
  closeSync(handle);
  return hash.digest('hex');
}

/** In a process of its own, so that it does not share a thread with what is measured. */
function serve(file: string): void {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': statSync(file).size, etag: '"1"' });
    createReadStream(file, { highWaterMark: 1024 * 1024 }).pipe(response);
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(String((server.address() as AddressInfo).port)));
}

async function bench(): Promise<void> {
  const cli = path.join(import.meta.dirname, '../dist/cli.js');
  const figures: Record<string, unknown> = {};
  for (const bytes of (process.env['BYTES'] ?? '100000000 1000000000').split(' ').map(Number)) {
    const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-bench-models-'));
    const weights = path.join(work, 'models/net.bin');
    mkdirSync(path.dirname(weights));
    mkdirSync(path.join(work, 'layer'));
    writeFileSync(path.join(work, 'layer/Dockerfile'), 'FROM scratch\n');
    const sha256 = writeWeights(weights, bytes);
    const server = spawn(process.execPath, [import.meta.filename, '--serve', weights], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [port] = (await once(server.stdout, 'data')) as [Buffer];
      const url = `http://127.0.0.1:${port}/net.bin`;
      const declare = (name: string, model: string) => {
        const file = path.join(work, `${name}.yaml`);
        writeFileSync(file, `version: 1\nname: bench\nlayers: { a: { context: layer } }\nmodels: { net: ${model} }\n`);
        return file;
      };
      const local = declare('local', '{ files: [models/net.bin] }');
      const remote = declare('remote', `{ source: { url: "${url}", sha256: "${sha256}" } }`);
      const cache = (name: string) => ({ ...process.env, XDG_CACHE_HOME: path.join(work, name) });
      const empty = (name: string) => () => rmSync(path.join(work, name), { recursive: true, force: true });
      const models = (file: string, ...args: string[]) => [process.execPath, cli, '-f', file, 'models', ...args];
      const curl = `curl -sf ${url} -o ${path.join(work, 'curl.bin')}`;
      // Old enough that its sum is remembered.
      utimesSync(weights, 1, 1);
      await sleep(2500);
      const commands: Record<string, Command> = {
        sha256sum: { argv: ['sha256sum', weights] },
        first: { argv: models(local), cwd: work, env: cache('first'), before: empty('first') },
        again: { argv: models(local), cwd: work, env: cache('again') },
        'curl, sha256sum': {
          argv: [
            'sh',
            '-c',
            `${curl} && sync ${path.join(work, 'curl.bin')} && sha256sum ${path.join(work, 'curl.bin')}`,
          ],
        },
        fetch: { argv: models(remote), cwd: work, env: cache('fetch'), before: empty('fetch') },
        push: { argv: models(local, '--push'), cwd: work, env: cache('again'), before: empty('.imgbuild') },
        cp: { argv: ['sh', '-c', `cp ${weights} ${work}/copy && sync ${work}/copy`], before: empty('copy') },
        unchanged: { argv: models(local, '--push'), cwd: work, env: cache('again') },
      };
      const found = measure(commands, 5);
      figures[bytes] = {
        ...found,
        firstOverSha256sum: found['first']!.seconds / found['sha256sum']!.seconds,
        fetchOverCurl: found['fetch']!.seconds / found['curl, sha256sum']!.seconds,
      };
    } finally {
      server.kill();
      rmSync(work, { recursive: true, force: true });
    }
  }
  record('models', figures);
}

if (process.argv[2] === '--serve') serve(process.argv[3]!);
else await bench();
