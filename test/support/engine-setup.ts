import type { TestProject } from 'vitest/node';
import { currentEngine, debianEngine, type ImageStore, type RunningEngine } from '../../scripts/support/engines.ts';
import { baseImage, tinyBase } from '../../scripts/support/base-image.ts';

/** What a test gets by `inject('engines')`: the environment of a client, or why there is no such engine here. */
export type EngineForTests =
  | { available: true; kind: ImageStore; version: string; buildx: string | undefined; env: Record<string, string> }
  | { available: false; because: string };

declare module 'vitest' {
  export interface ProvidedContext {
    /** `classic`: the distribution's Docker (20.10 without buildx on Debian 12). `current`: buildx, containerd's store. */
    engines: { classic: EngineForTests; current: EngineForTests };
    /** Tars of root file systems: busybox alone, and a minimal system of the machine's own distribution. */
    rootfs: { tiny: string; system: string };
  }
}

const note = (text: string) => process.stderr.write(`engines: ${text}\n`);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started: RunningEngine[] = [];
  const offer = async (start: () => Promise<RunningEngine>): Promise<EngineForTests> => {
    try {
      const engine = await start();
      started.push(engine);
      const { kind, version, buildx, env } = engine;
      return { available: true, kind, version, buildx, env };
    } catch (error) {
      return { available: false, because: (error as Error).message };
    }
  };
  const classic = await offer(() => debianEngine({ note }));
  const current = await offer(() => currentEngine({ note }));
  project.provide('engines', { classic, current });
  project.provide('rootfs', { tiny: await tinyBase(note), system: await baseImage(undefined, note) });
  return async () => {
    for (const engine of started) await engine.stop();
  };
}
