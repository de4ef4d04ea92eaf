/**
 * Building a whole chain from nothing: `imgbuild build` against the same steps by hand, in turn, images, caches and
 * saved layers taken away before each run. The chain is shaped as examples/ccai and needs no network: a minimal system
 * from a registry, a copy of its programs on it, a larger one with 50 MB of random bytes on that, a file and a copied
 * folder on top. By hand is `docker build` and `docker push` of each image to the same registry, and for a folder
 * `docker build` and `docker save`; on both engines.
 *
 * Wanted: at most 1.05 × by hand + 1 s. SMALL=1 in the environment takes busybox as the base.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { currentEngine, debianEngine, type RunningEngine } from '../scripts/support/engines.ts';
import { runChecked } from '../src/process/run.ts';
import { type Command, type Measured, measure, record } from './measure.ts';
import { benchRegistry, emptyEngine, program, pushBase } from './support/bench-registry.ts';

const small = process.env['SMALL'] === '1';
const runs = Number(process.env['RUNS'] ?? 3);
const names = ['base', 'engine', 'service'] as const;
const only = process.env['ONLY']?.split(' ');

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-build-overhead-'));
const write = (name: string, text: string) => {
  mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
  writeFileSync(path.join(work, name), text);
};
const registry = await benchRegistry();
const figures: Record<string, unknown> = {};

/** Every run saves to a place that holds nothing yet. */
function pair(engine: RunningEngine, kind: string, to: 'registry' | 'folder'): Record<'imgbuild' | 'byHand', Command> {
  const { env } = engine;
  let run = 0;
  const place = () => `${kind}-${to}-${run++}`;
  const configuration = (store: string) =>
    [
      'version: 1',
      'name: bench',
      `store: ${store}`,
      'layers:',
      ...names.map((name) => {
        const copy = name === 'service' ? ', copy: [{ src: models, dst: models }]' : '';
        return `  ${name}: { context: ${name}, image: "bench_${name}:1"${copy} }`;
      }),
      '',
    ].join('\n');
  const imgbuild: Command = { argv: [...program(), '-C', work, 'build'], env };
  imgbuild.before = () => {
    emptyEngine(engine);
    const where = place();
    write('imgbuild.yaml', configuration(to === 'registry' ? `${registry.host}/${where}` : `./stores/${where}`));
  };
  const byHand: Command = { argv: [], env, cwd: work };
  byHand.before = () => {
    emptyEngine(engine);
    const where = place();
    mkdirSync(path.join(work, 'stores', where), { recursive: true });
    rmSync(path.join(work, 'service/models'), { recursive: true, force: true });
    const steps = names.flatMap((name) => {
      const image = `bench_${name}:1`;
      const reference = `${registry.host}/${where}/${image}`;
      const build = `${name === 'service' ? 'cp -r models service/models && ' : ''}docker build -q -t ${image} ${name}`;
      const save = `docker save -o stores/${where}/${name}.tar ${image}`;
      const push = `docker tag ${image} ${reference} && docker push -q ${reference}`;
      return [build, to === 'registry' ? push : save];
    });
    byHand.argv = ['sh', '-c', `export DOCKER_BUILDKIT=1; ${steps.join(' && ')} && rm -r service/models`];
  };
  return { imgbuild, byHand };
}

function summary({ imgbuild, byHand }: Record<'imgbuild' | 'byHand', Measured>) {
  const limit = 1.05 * byHand.seconds + 1;
  return { imgbuild, byHand, ratio: imgbuild.seconds / byHand.seconds, overLimit: imgbuild.seconds / limit };
}

try {
  const system = `${registry.host}/system:1`;
  await pushBase(system, work, small);
  const programs = small ? '/bin' : '/usr';
  write('base/Dockerfile', `FROM ${system}\nRUN mkdir -p /opt && cp -a ${programs} /opt/base\n`);
  write(
    'engine/Dockerfile',
    `FROM bench_base:1\nRUN cp -a ${programs} /opt/engine && head -c ${small ? 5 : 50}000000 /dev/urandom > /opt/weights\n`,
  );
  write('service/Dockerfile', 'FROM bench_engine:1\nCOPY models /srv/models\nCOPY app.py /srv/app.py\n');
  write('service/app.py', 'print("ready")\n');
  write('models/mood/model.txt', 'weights\n'.repeat(20_000));
  for (const [kind, start] of [
    ['current', currentEngine],
    ['classic', debianEngine],
  ] as const) {
    const engine = await start();
    try {
      for (const to of ['registry', 'folder'] as const) {
        const name = `${kind}-${to}`;
        if (only !== undefined && !only.includes(name)) continue;
        const commands = pair(engine, kind, to);
        commands.imgbuild.before!();
        await runChecked(program()[0]!, [...program().slice(1), '-C', work, 'lock'], { env: engine.env });
        figures[name] = { engine: `docker ${engine.version}`, ...summary(measure(commands, runs, 0)) };
        rmSync(path.join(work, 'stores'), { recursive: true, force: true });
      }
    } finally {
      await engine.stop();
    }
  }
  record('build-overhead', { base: small ? 'busybox' : 'a minimal system by debootstrap', runs, ...figures });
} finally {
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
