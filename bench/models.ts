/**
 * Incompressible weights in one file, 100 MB, 1 GB and 4 GB of them: seconds and peak memory, with peers in the same run
 * up to 1 GB.
 *
 * `first`: summing it up, beside `sha256sum`. `again`: knowing it by its times. `fetch`: from a web server on this machine
 * into an empty cache, beside `curl` that writes and syncs the file and `sha256sum` that reads it. `push`: into an empty
 * folder store, beside `cp` and sync. `registryPush`: into an empty registry, beside `skopeo copy` of the same artifact.
 * `registryFetch`: from that registry into an empty cache, beside `skopeo copy` to a folder and sync. `unchanged`: the
 * push once more; `unchangedBytes` are the bodies that went to the registry and came from it.
 *
 * Wanted: first ≤ sha256sum; fetch ≤ curl, sha256sum; push and fetch of a registry ≤ skopeo; peak memory the same for any
 * size; unchanged sends no blob.
 *
 * BYTES in the environment chooses other sizes, RUNS the runs of those up to 1 GB (larger ones run once, and RUNS=1
 * has no warm-up), WORK another folder than the system's temporary one, which must have room for six times the largest.
 */
import { createHash, randomBytes } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../scripts/build.ts';
import { bytesMoved } from '../test/e2e/counting-proxy.ts';
import { type Command, type Measured, measure, record } from './measure.ts';
import { benchRegistry } from './support/bench-registry.ts';
import { forkProxy } from './support/proxy-process.ts';

const sizes = (process.env['BYTES'] ?? '100000000 1000000000 4000000000').split(' ').map(Number);
const runs = Number(process.env['RUNS'] ?? 3);

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

/** The figures of one size. */
async function measureSize(bytes: number, cli: string): Promise<Record<string, unknown>> {
  const work = mkdtempSync(path.join(process.env['WORK'] ?? tmpdir(), 'imgbuild-bench-models-'));
  const file = (name: string) => path.join(work, name);
  const weights = file('models/net.bin');
  mkdirSync(path.dirname(weights));
  mkdirSync(file('layer'));
  writeFileSync(file('layer/Dockerfile'), 'FROM scratch\n');
  const sha256 = writeWeights(weights, bytes);
  const registry = await benchRegistry();
  const proxy = await forkProxy(registry.host);
  const server = spawn(process.execPath, [import.meta.filename, '--serve', weights], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [port] = (await once(server.stdout, 'data')) as [Buffer];
    const url = `http://127.0.0.1:${port}/net.bin`;
    const declare = (name: string, model: string, store = './store') => {
      const lines = [`store: ${store}`, 'layers: { a: { context: layer } }', `models: { net: ${model} }`];
      writeFileSync(file(`${name}.yaml`), ['version: 1', 'name: bench', ...lines, ''].join('\n'));
      return file(`${name}.yaml`);
    };
    const models = (config: string, cache: string, ...args: string[]): Command => ({
      argv: [process.execPath, cli, '-f', config, 'models', ...args],
      cwd: work,
      env: { ...process.env, XDG_CACHE_HOME: file(cache) },
    });
    const shell = (text: string): Command => ({ argv: ['sh', '-ec', text], cwd: work });
    /** `command` after `names` below the work folder were removed. */
    const without = (command: Command, ...names: string[]): Command => ({
      ...command,
      before: () => names.forEach((name) => rmSync(file(name), { recursive: true, force: true })),
    });
    const emptied = (command: Command): Command => ({
      ...command,
      before: () => rmSync(path.join(registry.data, 'docker'), { recursive: true, force: true }),
    });
    const counted = bytes > 1e9 ? 1 : runs;
    const found: Record<string, Measured> = {};
    const run = (commands: Record<string, Command>, peers: Record<string, Command>) =>
      Object.assign(found, measure({ ...commands, ...(bytes > 1e9 ? {} : peers) }, counted, counted > 1 ? 1 : 0));

    const files = '{ files: [models/net.bin] }';
    const local = declare('local', files);
    const remote = declare('remote', `{ source: { url: "${url}", sha256: "${sha256}" } }`);
    // Old enough that its sum is remembered.
    utimesSync(weights, 1, 1);
    await sleep(2500);
    run(
      {
        first: without(models(local, 'known'), 'known'),
        again: models(local, 'known'),
        fetch: without(models(remote, 'fetch'), 'fetch'),
        push: without(models(local, 'known', '--push', '--version', '1.0.0'), 'store'),
      },
      {
        sha256sum: { argv: ['sha256sum', weights] },
        'curl, sha256sum': shell(`curl -sf ${url} -o fetched; sync fetched; sha256sum fetched`),
        'cp, sync': without(shell(`cp ${weights} copy; sync copy`), 'copy'),
      },
    );
    for (const name of ['fetched', 'fetch', 'copy']) rmSync(file(name), { recursive: true, force: true });

    const toRegistry = declare('registry', files, `${registry.host}/bench`);
    const insecure = '--quiet --src-tls-verify=false';
    const artifact = 'oci:store:models/net:1.0.0';
    run(
      { registryPush: emptied(models(toRegistry, 'known', '--push')) },
      {
        'skopeo copy': emptied(
          shell(`skopeo copy --quiet --dest-tls-verify=false ${artifact} docker://${registry.host}/peer:1`),
        ),
      },
    );

    const { argv, cwd, env } = models(toRegistry, 'known', '--push', '--version', '1.0.0', '--json');
    const published = execFileSync(argv[0]!, argv.slice(1), { cwd, env, encoding: 'utf8' });
    const [{ digest }] = (JSON.parse(published) as { models: [{ digest: string }] }).models;
    const pulled = declare('pulled', `{ source: { oci: "${registry.host}/bench/models/net@${digest}" } }`);
    const through = declare('through', files, `${proxy.host}/bench`);
    run(
      {
        unchanged: models(through, 'known', '--push'),
        registryFetch: without(models(pulled, 'pulled'), 'pulled'),
      },
      {
        'skopeo copy, sync': without(
          shell(`skopeo copy ${insecure} docker://${registry.host}/bench/models/net:1.0.0 dir:copied; sync copied/*`),
          'copied',
        ),
      },
    );
    const log = await proxy.take();
    const against = {
      sha256sum: 'first',
      'curl, sha256sum': 'fetch',
      'cp, sync': 'push',
      'skopeo copy': 'registryPush',
      'skopeo copy, sync': 'registryFetch',
    };
    const ratios = Object.entries(against)
      .filter(([peer]) => found[peer] !== undefined)
      .map(([peer, own]) => [peer, found[own]!.seconds / found[peer]!.seconds]);
    return {
      ...found,
      unchangedBytes: bytesMoved(log) / (counted > 1 ? counted + 1 : 1),
      unchangedBlobRequests: log.filter(({ method, path: of }) => method !== 'HEAD' && of.includes(sha256)).length,
      against: Object.fromEntries(ratios) as Record<string, number>,
    };
  } finally {
    server.kill();
    proxy.stop();
    await registry.stop();
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--serve') serve(process.argv[3]!);
else {
  const built = mkdtempSync(path.join(tmpdir(), 'imgbuild-bench-models-dist-'));
  try {
    await bundle(path.dirname(import.meta.dirname), built);
    const figures: Record<string, unknown> = {
      runs,
      skopeo: execFileSync('skopeo', ['--version'], { encoding: 'utf8' }).trim(),
    };
    for (const bytes of sizes) {
      figures[`${bytes / 1e6} MB`] = await measureSize(bytes, path.join(built, 'cli.js'));
      record('models', figures);
    }
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}
