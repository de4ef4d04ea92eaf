import { expect, inject, it } from 'vitest';
import { currentEngine } from '../../scripts/support/engines.ts';
import type { Failure } from '../../src/failure.ts';
import { chainFiles, engineProject, outcomes, readSaved } from '../support/engine-project.ts';

it.skipIf(!inject('engines').current.available)(
  "buildx over Docker's own image store builds by tags in the daemon",
  async () => {
    const engine = await currentEngine({ store: 'classic' });
    try {
      const { kind, version, buildx, env } = engine;
      const project = await engineProject({ available: true, kind, version, buildx, env }, chainFiles);
      try {
        const report = await project.build({ load: true });
        expect(report.engine).toContain("Docker's own image store");
        expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\nengine\nservice\n');
        for (const { repository, digest } of report.layers) await readSaved(await project.store(), repository, digest);

        await project.write({ 'service/Dockerfile': 'FROM tiny_engine\nRUN echo wrong; exit 5\n' });
        const failure = (await project.build().catch((thrown: unknown) => thrown)) as Failure;
        expect(failure.at).toMatchObject({ file: 'service/Dockerfile', line: 2 });
        expect(failure.because).toMatch(/exit code: 5[^]*wrong/);
        await project.write({ 'service/Dockerfile': chainFiles['service/Dockerfile']! });
        expect(outcomes(await project.build())).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });
      } finally {
        await project.remove();
      }
    } finally {
      await engine.stop();
    }
  },
);
