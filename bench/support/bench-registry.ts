/** What benches with a registry need: an engine, a registry and a real base image in it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { baseImage, tinyBase, writeBaseLayout } from '../../scripts/support/base-image.ts';
import type { RunningEngine } from '../../scripts/support/engines.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { startDistribution, type RegistryProcess } from '../../test/support/registry-process.ts';

const note = (text: string) => process.stderr.write(`bench: ${text}\n`);

export async function benchRegistry(): Promise<RegistryProcess> {
  await installPackages(['docker-registry', 'skopeo', 'time'], note);
  return startDistribution({ program: findProgram('docker-registry')! });
}

/** A minimal system of the machine's distribution under `reference`; busybox alone where `small`. */
export async function pushBase(reference: string, work: string, small: boolean): Promise<void> {
  const layout = path.join(work, 'base-layout');
  const tar = small ? await tinyBase(note) : await baseImage(undefined, note);
  await writeBaseLayout(tar, layout, { reference: 'base:1', platform: hostPlatform() });
  const target = ['--dest-tls-verify=false', `oci:${layout}:base:1`, `docker://${reference}`];
  await runChecked('skopeo', ['copy', '--quiet', ...target]);
  await rm(layout, { recursive: true });
}

/** Takes every image and every build cache away. */
export function emptyEngine({ env }: RunningEngine): void {
  for (const what of ['system', 'builder']) {
    execFileSync('docker', [what, 'prune', '--all', '--force'], { env, stdio: 'ignore' });
  }
}

/** The program as users run it, else from its source. */
export function program(): string[] {
  const bundle = path.join(import.meta.dirname, '../../dist/cli.js');
  return [process.execPath, existsSync(bundle) ? bundle : path.join(import.meta.dirname, '../../src/cli/main.ts')];
}
