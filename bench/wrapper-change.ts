/**
 * A change of the code of a wrapper image, as AIGES builds them by envd: 64 MB of code on an environment of 1 GB, half of which
 * is a wheel that `install.python_packages` installs and half what a command (`run`) fetches before the code is copied, as in the
 * document of AIGES. `imgbuild build` with that build.envd as it is, into a registry, against one Dockerfile of the same
 * steps in envd's order, in which all commands stand behind the code: `docker build` and `docker push` to the same registry. One proxy
 * counts the bytes that are sent. One file of the code has other bytes in each run. With a builder that has all of the former
 * build, and with an empty one (`fresh`), as on a hosted runner; there the layers of `imgbuild` come from the registry.
 *
 * Wanted: at most a tenth of the bytes and of the time. ENVIRONMENT and CODE set other megabytes, RUNS=N measures so often: the
 * middle one counts.
 */
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { currentEngine } from '../scripts/support/engines.ts';
import { lendSecrets } from '../src/build/machine-settings.ts';
import { parseDockerfile } from '../src/dockerfile/parse.ts';
import { readEnvd } from '../src/import/envd/read.ts';
import { localFiles } from '../src/import/local-files.ts';
import type { Input } from '../src/plan/input.ts';
import { runChecked } from '../src/process/run.ts';
import { record } from './measure.ts';
import { benchRegistry, emptyEngine, program, pushBase } from './support/bench-registry.ts';
import { forkProxy } from './support/proxy-process.ts';

const environment = Number(process.env['ENVIRONMENT'] ?? 1000);
const code = Number(process.env['CODE'] ?? 64);
const runs = Number(process.env['RUNS'] ?? 3);
const wheel = 'wheels/bench_environment-1.0-py3-none-any.whl';

/** A wheel of random bytes, as any tool that makes zip files would. */
const wheelScript = `
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    names = []
    def write(name, data):
        names.append(name)
        wheel.writestr(name, data)
    for part in range(int(sys.argv[2])):
        write('bench_environment/weights%d.bin' % part, os.urandom(1000000))
    info = 'bench_environment-1.0.dist-info/'
    write(info + 'METADATA', 'Metadata-Version: 2.1\\nName: bench_environment\\nVersion: 1.0\\n')
    write(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: bench\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', ''.join(name + ',,\\n' for name in names + [info + 'RECORD']))
`;

const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-wrapper-change-'));
const write = (name: string, content: string | Buffer) => {
  mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
  writeFileSync(path.join(work, name), content);
};
const change = () => write('wrapper/part0.bin', randomBytes(1e6));

/** The steps of build.envd in envd's order, in one file: what stands on another layer goes on in its stage. */
function inOneFile(): string {
  const { layers } = readEnvd({
    file: 'build.envd',
    function: 'build',
    order: 'envd-v0',
    context: '.',
    images: new Map(),
    files: localFiles(work),
    imageOf: (suffix) => `layer-${suffix}`,
  });
  return layers
    .map(({ dockerfile: { text } }, index) => (index === 0 ? text : text.replace(/^FROM .*\n/m, '')))
    .join('');
}

const peers = ['imgbuild', 'oneDockerfile'] as const;
type Peer = (typeof peers)[number];

interface Run {
  seconds: number;
  bytesPushed: number;
  bytesPulled: number;
  built: string;
}

/** That of the middle time. */
function middle(all: readonly Run[]): Run {
  return all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)]!;
}

/** Layers by the JSON document of imgbuild, steps by the lines of BuildKit. */
function builtOf(output: string): string {
  const json = output.split('\n').find((line) => line.startsWith('{"'));
  if (json !== undefined) {
    const { layers } = JSON.parse(json) as { layers: { name: string; outcome: string }[] };
    return layers.map(({ name, outcome }) => `${name} ${outcome}`).join(', ');
  }
  const numbers = (pattern: RegExp) => new Set([...output.matchAll(pattern)].map(([, step]) => step!));
  const cached = numbers(/^#(\d+) CACHED/gm);
  const steps = numbers(/^#(\d+) \[(?:\S+ +)?\d+\/\d+\] (?:RUN|COPY)/gm);
  return `${[...steps].filter((step) => !cached.has(step)).length} of ${steps.size} steps`;
}

const registry = await benchRegistry();
const engine = await currentEngine();
const proxy = await forkProxy(registry.host);
try {
  const { env } = engine;
  const system = `${proxy.host}/system:1`;
  await pushBase(system, work, false);
  mkdirSync(path.join(work, 'wheels'));
  execFileSync('python3', ['-c', wheelScript, path.join(work, wheel), String(environment / 2)]);
  for (let part = 0; part < code; part += 1) write(`wrapper/part${part}.bin`, randomBytes(1e6));
  write('wrapper/wrapper.py', 'print("ready")\n');
  write(
    'build.envd',
    `def build():
    base(language="python3", os="${system}")
    install.python_packages(local_wheels=["${wheel}"])
    run(commands=["head -c ${environment / 2}000000 /dev/urandom > /opt/weights"])
    io.copy(src="./wrapper", dest="/home/aiges")
    run(commands=["python -m compileall -q /home/aiges"])
    config.entrypoint(["python", "/home/aiges/wrapper.py"])
`,
  );
  const store = `store: ${proxy.host}/imgbuild`;
  write('imgbuild.yaml', `version: 1\nname: bench\n${store}\nlayers:\n  yolo: { envd: build.envd, image: "yolo:1" }\n`);
  write('Dockerfile', inOneFile());
  const { instructions } = parseDockerfile(inOneFile(), 'Dockerfile');
  const inputs = ['ca', 'pipconf', 'aptconf'].map((id): Input => ({ kind: 'mount', type: 'secret', id, text: '' }));
  const lent = await lendSecrets({ inputs, instructions }, [], process.env, work);
  const secrets = lent.flatMap((each) => (each.from === 'file' ? [`--secret id=${each.id},src=${each.path}`] : []));

  const image = `${proxy.host}/envd/yolo:1`;
  const byHand = `docker build --progress=plain ${secrets.join(' ')} -t ${image} . && docker push -q ${image}`;
  const argvs = {
    imgbuild: [...program(), '-C', work, 'build', '--json'],
    oneDockerfile: ['sh', '-ec', `export DOCKER_BUILDKIT=1\n${byHand}`],
  };
  /** What one run builds and moves, and how long it takes. */
  const once = async (peer: Peer, fresh: boolean): Promise<Run> => {
    if (fresh) emptyEngine(engine);
    change();
    await proxy.take();
    const start = process.hrtime.bigint();
    const [name, ...args] = argvs[peer];
    const output = await runChecked('sh', ['-c', 'exec "$0" "$@" 2>&1', name!, ...args], { cwd: work, env });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    const log = await proxy.take();
    process.stderr.write(`bench: ${peer} ${seconds.toFixed(0)} s\n`);
    const sum = (key: 'sent' | 'received') => log.reduce((bytes, each) => bytes + each[key], 0);
    return { seconds, bytesPushed: sum('sent'), bytesPulled: sum('received'), built: builtOf(output) };
  };

  await runChecked(program()[0]!, [...program().slice(1), '-C', work, 'lock'], { env });
  for (const peer of peers) await once(peer, false);
  const figures: Record<string, unknown> = {};
  for (const [name, fresh] of Object.entries({ kept: false, fresh: true })) {
    const found: Record<Peer, Run[]> = { imgbuild: [], oneDockerfile: [] };
    for (let run = 0; run < runs; run += 1) for (const peer of peers) found[peer].push(await once(peer, fresh));
    const { imgbuild, oneDockerfile } = {
      imgbuild: middle(found.imgbuild),
      oneDockerfile: middle(found.oneDockerfile),
    };
    figures[name] = {
      imgbuild,
      oneDockerfile,
      ratios: {
        bytesPushed: imgbuild.bytesPushed / oneDockerfile.bytesPushed,
        seconds: imgbuild.seconds / oneDockerfile.seconds,
      },
    };
  }
  record('wrapper-change', {
    engine: `docker ${engine.version}, buildx ${engine.buildx}, containerd's image store, docker driver`,
    runs,
    environmentMegabytes: environment,
    codeMegabytes: code,
    ...figures,
  });
} finally {
  proxy.stop();
  await engine.stop();
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
