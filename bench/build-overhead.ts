/**
 * Building a whole chain from nothing: `imgbuild build` against the same steps by hand, in turn, images, caches and
 * saved layers taken away before each run. Two chains: examples/ccai, which installs from the network; and one of its
 * shape whose steps take a second each and need no network, where all that imgbuild adds is seen large: a minimal system
 * from a registry, a copy of its programs on it, a larger one with 50 MB of random bytes on that, a file and a copied
 * folder on top. By hand is `docker build` and `docker push` of each image to the same registry, and for a folder
 * `docker build` and `docker save`; on both engines.
 *
 * Wanted: at most 1.05 × by hand + 1 s. In the environment, ONLY="CASE CASE" measures these and keeps what is recorded
 * of the others, RUNS=N each so often, SMALL=1 takes busybox as the base.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { currentEngine, debianEngine, type RunningEngine } from '../scripts/support/engines.ts';
import { lendSecrets } from '../src/build/machine-settings.ts';
import { parseDockerfile } from '../src/dockerfile/parse.ts';
import type { Input } from '../src/plan/input.ts';
import { runChecked } from '../src/process/run.ts';
import { type Command, type Measured, measure, record, recorded } from './measure.ts';
import { benchRegistry, emptyEngine, program, pushBase } from './support/bench-registry.ts';

const small = process.env['SMALL'] === '1';
const runs = Number(process.env['RUNS'] ?? 3);
interface Layer {
  name: string;
  context: string;
  image: string;
  /** A folder of the repository that the context needs besides. */
  copy?: string;
}
const chains: Record<'steps' | 'example', Layer[]> = {
  steps: [
    { name: 'base', context: 'base', image: 'bench_base:1' },
    { name: 'engine', context: 'engine', image: 'bench_engine:1' },
    { name: 'service', context: 'service', image: 'bench_service:1', copy: 'models' },
  ],
  example: [
    { name: 'base', context: 'docker/base', image: 'service_runtime_base:ubuntu_20.04' },
    { name: 'engine', context: 'docker/engine', image: 'service_runtime_inference_engine:ubuntu_20.04' },
    { name: 'service', context: 'docker/service', image: 'service_runtime:1', copy: 'models/mood' },
  ],
};
const only = process.env['ONLY']?.split(' ');

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-build-overhead-'));
const write = (name: string, text: string) => {
  mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
  writeFileSync(path.join(work, name), text);
};
const registry = await benchRegistry();
const figures: Record<string, unknown> = {};

/** What the machine lends to a build behind a proxy of its own; by hand it must be given too. */
async function secretFlags(dockerfile: string, folder: string): Promise<string> {
  const { instructions } = parseDockerfile(readFileSync(dockerfile, 'utf8'), dockerfile);
  const inputs = ['ca', 'pipconf'].map((id): Input => ({ kind: 'mount', type: 'secret', id, text: '' }));
  const lent = await lendSecrets({ inputs, instructions }, [], process.env, folder);
  return lent.flatMap((each) => (each.from === 'file' ? [`--secret id=${each.id},src=${each.path}`] : [])).join(' ');
}

/** Every run saves to a place that holds nothing yet. */
function pair(
  engine: RunningEngine,
  chain: keyof typeof chains,
  kind: string,
  to: 'registry' | 'folder',
  secrets: string,
): Record<'imgbuild' | 'byHand', Command> {
  const { env } = engine;
  const folder = path.join(work, chain);
  let run = 0;
  const place = () => `${chain}-${kind}-${to}-${run++}`;
  const configuration = (store: string) =>
    [
      'version: 1',
      'name: bench',
      `store: ${store}`,
      'layers:',
      ...chains[chain].map(({ name, context, image, copy }) => {
        const copied = copy === undefined ? '' : `, copy: [{ src: ${copy}, dst: ${copy} }]`;
        return `  ${name}: { context: ${context}, image: "${image}"${copied} }`;
      }),
      '',
    ].join('\n');
  const imgbuild: Command = { argv: [...program(), '-C', folder, 'build'], env };
  imgbuild.before = () => {
    emptyEngine(engine);
    const where = place();
    const store = to === 'registry' ? `${registry.host}/${where}` : `./stores/${where}`;
    write(`${chain}/imgbuild.yaml`, configuration(store));
  };
  const byHand: Command = { argv: [], env, cwd: folder };
  byHand.before = () => {
    emptyEngine(engine);
    const where = place();
    mkdirSync(path.join(folder, 'stores', where), { recursive: true });
    const steps = chains[chain].flatMap(({ name, context, image, copy }) => {
      const reference = `${registry.host}/${where}/${image}`;
      const copied =
        copy === undefined ? '' : `mkdir -p ${context}/${path.dirname(copy)} && cp -r ${copy} ${context}/${copy}`;
      const build = `${copied === '' ? '' : `${copied} && `}docker build -q ${secrets} -t ${image} ${context}`;
      const clean = copy === undefined ? [] : [`rm -r ${context}/${copy}`];
      const save = `docker save -o stores/${where}/${name}.tar ${image}`;
      const push = `docker tag ${image} ${reference} && docker push -q ${reference}`;
      return [build, ...clean, to === 'registry' ? push : save];
    });
    byHand.argv = ['sh', '-ec', ['export DOCKER_BUILDKIT=1', ...steps].join('\n')];
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
  write('steps/base/Dockerfile', `FROM ${system}\nRUN mkdir -p /opt && cp -a ${programs} /opt/base\n`);
  write(
    'steps/engine/Dockerfile',
    `FROM bench_base:1\nRUN cp -a ${programs} /opt/engine && head -c ${small ? 5 : 50}000000 /dev/urandom > /opt/weights\n`,
  );
  write('steps/service/Dockerfile', 'FROM bench_engine:1\nCOPY models /models\nCOPY app.py /srv/app.py\n');
  write('steps/service/app.py', 'print("ready")\n');
  write('steps/models/mood/model.txt', 'weights\n'.repeat(20_000));
  cpSync(path.join(import.meta.dirname, '../examples/ccai'), path.join(work, 'example'), { recursive: true });
  const dockerfile = path.join(work, 'example/docker/base/Dockerfile');
  writeFileSync(dockerfile, readFileSync(dockerfile, 'utf8').replace('FROM debian:12', `FROM ${system}`));
  const secrets = await secretFlags(path.join(work, 'example/docker/engine/Dockerfile'), work);
  for (const [kind, start] of [
    ['current', currentEngine],
    ['classic', debianEngine],
  ] as const) {
    const wanted = (['steps', 'example'] as const).flatMap((chain) =>
      (['registry', 'folder'] as const)
        .map((to) => ({ chain, to, name: `${chain}-${kind}-${to}` }))
        // A minimal system is what the example's steps begin with.
        .filter(({ name }) => (only === undefined || only.includes(name)) && !(small && chain === 'example')),
    );
    if (wanted.length === 0) continue;
    const engine = await start();
    try {
      for (const { chain, to, name } of wanted) {
        const commands = pair(engine, chain, kind, to, chain === 'example' ? secrets : '');
        commands.imgbuild.before!();
        await runChecked(program()[0]!, [...program().slice(1), '-C', path.join(work, chain), 'lock'], {
          env: engine.env,
        });
        figures[name] = { engine: `docker ${engine.version}`, runs, ...summary(measure(commands, runs, 0)) };
        rmSync(path.join(work, chain, 'stores'), { recursive: true, force: true });
      }
    } finally {
      await engine.stop();
    }
  }
  const before = only === undefined ? {} : recorded('build-overhead');
  record('build-overhead', { ...before, base: small ? 'busybox' : 'a minimal system by debootstrap', ...figures });
} finally {
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
