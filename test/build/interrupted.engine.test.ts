import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, inject, it } from 'vitest';
import type { LayerEvent } from '../../src/build/event.ts';
import { Failure } from '../../src/failure.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { startProgram } from '../../src/process/start.ts';
import { chainFiles, engineProject, outcomes, readSaved, type EngineProject } from '../support/engine-project.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Layers that no other test builds, so that their tags in the engine are theirs alone. */
function twoLayers(unique: string): Record<string, string> {
  return {
    'imgbuild.yaml': `version: 1
name: tiny
layers:
  below-${unique}: { context: below, image: "${unique}_below" }
  above-${unique}: { context: above, image: "${unique}_above" }
bases: { "tiny:1": oci:./bases/tiny }
`,
    'below/Dockerfile': `FROM tiny:1\nRUN echo ${unique}; head -c 3000000 /dev/urandom > /below\n`,
    'above/Dockerfile': `FROM ${unique}_below\nRUN echo ${unique}; echo above > /above\n`,
  };
}

const matches: Record<string, (event: LayerEvent) => boolean> = {
  'a layer begins': (event) => event.kind === 'started' && event.layer.startsWith('above'),
  'a step runs': (event) => event.kind === 'step' && event.event.kind === 'log' && event.layer.startsWith('above'),
  'a layer is saved': (event) => event.kind === 'saving' && event.layer.startsWith('above'),
  'an image is loaded': (event) => event.kind === 'loading',
};

describe.each(['classic', 'current'] as const)('an interrupted build on the %s engine', (name) => {
  const engine = inject('engines')[name];
  const open = async (files: Record<string, string>): Promise<EngineProject> => {
    if (!engine.available) throw new Error(engine.because);
    const project = await engineProject(engine, files);
    cleanups.push(() => project.remove());
    return project;
  };

  it.skipIf(!engine.available).each(Object.keys(matches))('Ctrl-C while %s', async (phase) => {
    const unique = `t${name}${Object.keys(matches).indexOf(phase)}`;
    const project = await open(twoLayers(unique));
    const stop = new AbortController();
    const onEvent = (event: LayerEvent) => {
      if (matches[phase]!(event)) stop.abort(new Error('stopped by SIGINT'));
    };
    await expect(project.build({ signal: stop.signal, load: true, onEvent })).rejects.toThrow('stopped by SIGINT');
    expect(await project.leftovers()).toEqual([]);
    const tags = await project.docker('image', 'ls', '--format', '{{.Repository}}');
    expect(tags.split('\n').filter((tag) => tag.startsWith('imgbuild.invalid/') && tag.includes(unique))).toEqual([]);

    const report = await project.build({ load: true });
    expect(report.layers[0]!.outcome).toBe('reused');
    for (const { repository, digest } of report.layers) await readSaved(await project.store(), repository, digest);
    expect(await project.docker('run', '--rm', `${unique}_above`, 'cat', '/above')).toBe('above\n');
  });

  it.skipIf(!engine.available)('a killed process leaves a store that the next run continues from', async () => {
    const project = await open(twoLayers(`k${name}`));
    const cli = join(import.meta.dirname, '../../src/cli/main.ts');
    const child = startProgram(process.execPath, [cli, '-C', project.root, 'build'], {
      env: project.engine.env,
      onStderrLine: (line) => {
        if (/above.*building/.test(line)) void sleep(300).then(() => process.kill(child.pid!, 'SIGKILL'));
      },
    });
    child.stdout.resume();
    child.stdin.end();
    const exitCode = await child.exited;
    expect(exitCode, child.stderr()).toBe(137);
    const report = await project.build();
    expect(report.layers[0]!.outcome).toBe('reused');
    for (const { repository, digest } of report.layers) await readSaved(await project.store(), repository, digest);
  });

  it.skipIf(!engine.available)('a full disk while saving keeps what was saved, and says what to do', async () => {
    const configuration = chainFiles['imgbuild.yaml']!.replace('layers:', 'store: ./small\nlayers:');
    const project = await open({
      ...chainFiles,
      'imgbuild.yaml': configuration,
      'engine/Dockerfile': 'FROM tiny_base:1.0\nRUN head -c 4000000 /dev/urandom > /much\n',
    });
    const small = join(project.root, 'small');
    await mkdir(small);
    await runChecked('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small]);
    cleanups.push(() => run('umount', ['--lazy', small]));
    const error = await project.build().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).because).toMatch(/no space|full/i);
    expect((error as Failure).fix).toBeDefined();
    await runChecked('mount', ['-o', 'remount,size=40m', small]);
    expect(outcomes(await project.build())).toEqual({ base: 'reused', engine: 'built', service: 'built' });
  });
});
