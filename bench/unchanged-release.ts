/**
 * A new version of an unchanged tree: `imgbuild release` against `docker buildx bake` with a registry cache that is warm
 * (cache-from and cache-to, mode=max), on one chain of three images (a minimal system, 100 MB of random bytes on it, a
 * small file on that), to one registry through one proxy that counts the bytes of all bodies. imgbuild puts four tags on
 * each image (1.0.7, 1.0, 1, latest) and release.json, bake one tag. The peers:
 *
 * `bakeOnFreshRunner`: `bake --push`, builder and image store empty, as on a hosted runner.
 * `bakeOnKeptRunner`: `bake --push`, builder and image store still have all of it.
 * `leanBakeOnFreshRunner`: as the first, with an exporter that is told to keep nothing (store=false,unpack=false): the
 * least that such a builder moves.
 *
 * Wanted: at most a tenth of the bytes and of the time. SIZE in the environment sets other megabytes; SMALL=1 takes
 * busybox as the base.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { currentEngine } from '../scripts/support/engines.ts';
import { runChecked } from '../src/process/run.ts';
import { bytesMoved } from '../test/e2e/counting-proxy.ts';
import { type Command, measure, record } from './measure.ts';
import { benchRegistry, emptyEngine, program, pushBase } from './support/bench-registry.ts';
import { forkProxy } from './support/proxy-process.ts';

const size = Number(process.env['SIZE'] ?? 100);
const small = process.env['SMALL'] === '1';
const runs = Number(process.env['RUNS'] ?? 5);
const layers = { base: [], engine: ['base'], service: ['engine'] } as const;

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-unchanged-release-'));
const registry = await benchRegistry();
const engine = await currentEngine();
const proxy = await forkProxy(registry.host);
try {
  const { env } = engine;
  const system = `${proxy.host}/system:1`;
  await pushBase(system, work, small);
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
    writeFileSync(path.join(work, name), text);
  };
  write('base/Dockerfile', `FROM ${system}\nRUN echo base > /base\n`);
  write('engine/Dockerfile', `FROM bench_base:1\nRUN head -c ${size}000000 /dev/urandom > /engine\n`);
  write('service/Dockerfile', 'FROM bench_engine:1\nCOPY app.txt /app.txt\n');
  write('service/app.txt', 'app\n');
  const names = Object.keys(layers) as (keyof typeof layers)[];
  const images = names.map((name) => `  ${name}: { context: ${name}, image: "bench_${name}:1", release: true }\n`);
  write('imgbuild.yaml', `version: 1\nname: bench\nstore: ${proxy.host}/imgbuild\nlayers:\n${images.join('')}`);
  const bakeFile = (output: string) => ({
    variable: { VERSION: { default: '1.0.0' } },
    group: { default: { targets: names } },
    target: Object.fromEntries(
      names.map((name) => [
        name,
        {
          context: name,
          contexts: Object.fromEntries(layers[name].map((parent) => [`bench_${parent}:1`, `target:${parent}`])),
          tags: [`${proxy.host}/bake/${name}:\${VERSION}`],
          'cache-from': [`type=registry,ref=${proxy.host}/bake/${name}:cache`],
          'cache-to': [`type=registry,ref=${proxy.host}/bake/${name}:cache,mode=max`],
          output: [output],
          attest: ['type=provenance,disabled=true'],
        },
      ]),
    ),
  });
  write('bake.json', JSON.stringify(bakeFile('type=image,push=true')));
  write('lean-bake.json', JSON.stringify(bakeFile('type=image,push=true,store=false,unpack=false')));

  let version = 0;
  const release = (): string[] => [...program(), '-C', work, 'release', '--version', `1.0.${version++}`];
  const bake = (file: string): string[] => [
    'env',
    `VERSION=1.0.${version++}`,
    'docker',
    'buildx',
    'bake',
    '--progress=plain',
    '--file',
    file,
  ];
  /** Each run is a version of its own. */
  const command = (argv: () => string[], before: () => void = () => {}): Command => {
    const made: Command = { argv: [], env, cwd: work };
    made.before = () => {
      before();
      made.argv = argv();
    };
    return made;
  };
  const fresh = () => emptyEngine(engine);
  // The kept runner fills its builder by the release before, which is not counted.
  const kept = () => {
    fresh();
    once(command(() => bake('bake.json')));
  };
  const commands = {
    imgbuild: command(release, fresh),
    bakeOnFreshRunner: command(() => bake('bake.json'), fresh),
    bakeOnKeptRunner: command(() => bake('bake.json'), kept),
    leanBakeOnFreshRunner: command(() => bake('lean-bake.json'), fresh),
  };
  const once = (each: Command) => measure({ each }, 1, 0);

  await runChecked(program()[0]!, [...program().slice(1), '-C', work, 'lock'], { env });
  once(commands.imgbuild);
  fresh();
  once(command(() => bake('bake.json')));

  const bytes: Record<string, number> = {};
  const requests: Record<string, number> = {};
  for (const [name, each] of Object.entries(commands)) {
    each.before!();
    await proxy.take();
    once({ argv: each.argv, env, cwd: work });
    const log = await proxy.take();
    bytes[name] = bytesMoved(log);
    requests[name] = log.length;
  }
  const times = measure(commands, runs, 0);
  const against = (peer: keyof typeof commands) => ({
    bytes: bytes['imgbuild']! / bytes[peer]!,
    seconds: times.imgbuild.seconds / times[peer].seconds,
  });
  record('unchanged-release', {
    engine: `docker ${engine.version}, buildx ${engine.buildx}, containerd's image store, docker driver`,
    runs,
    randomMegabytes: size,
    base: small ? 'busybox' : 'a minimal system by debootstrap',
    bytes,
    requests,
    times,
    ratios: {
      bakeOnFreshRunner: against('bakeOnFreshRunner'),
      bakeOnKeptRunner: against('bakeOnKeptRunner'),
      leanBakeOnFreshRunner: against('leanBakeOnFreshRunner'),
    },
  });
} finally {
  proxy.stop();
  await engine.stop();
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
