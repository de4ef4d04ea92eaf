import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundle, entryPoints, publishedNames } from '../../scripts/build.ts';
import { olderVariant } from '../../scripts/generate/workflow-files.ts';
import { installPackages } from '../../scripts/support/apt.ts';
import { currentEngine, type RunningEngine } from '../../scripts/support/engines.ts';
import { provideWorkflowTools, type WorkflowTools } from '../../scripts/support/workflow-tools.ts';
import type { EngineForTests } from './engine-setup.ts';

export interface WorkflowTestBed {
  tools: WorkflowTools;
  /**
   * This repository as `uses: org/imgbuild/…@v1` sees it: the published entry points, workflows and bundles, made from
   * the sources as they are, without those and without node_modules.
   */
  published: string;
  /** Folders by action name that stand in for GitHub's own actions, which serve its artifact and signing services. */
  standIns: Record<string, string>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    workflows: WorkflowTestBed;
    workflowEngine: EngineForTests;
  }
}

const root = path.resolve(import.meta.dirname, '../..');
const note = (text: string) => process.stderr.write(`workflows: ${text}\n`);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-workflows-'));
  let engine: RunningEngine | undefined;
  const teardown = async () => {
    await engine?.stop();
    rmSync(work, { recursive: true, force: true });
  };
  try {
    const tools = await provideWorkflowTools(root);
    const published = path.join(work, 'published');
    await publish(published);
    project.provide('workflows', { tools, published, standIns: standIns(path.join(work, 'actions')) });
    await installPackages(['docker-registry', 'git'], note);
    try {
      engine = await currentEngine({ note });
      const { kind, version, buildx, env } = engine;
      project.provide('workflowEngine', { available: true, kind, version, buildx, env });
    } catch (error) {
      project.provide('workflowEngine', { available: false, because: (error as Error).message });
    }
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

async function publish(folder: string): Promise<void> {
  const entries = publishedNames.map((name) => `${name}/action.yml`);
  for (const file of [
    'package.json',
    'action.yml',
    'actions/release/action.yml',
    'actions/release-page/action.yml',
    'actions/publish-apt/action.yml',
    'actions/promote/action.yml',
    ...entries,
  ]) {
    cpSync(path.join(root, file), path.join(folder, file));
  }
  for (const name of await readdir(path.join(root, '.github/workflows'))) {
    const text = readFileSync(path.join(root, '.github/workflows', name), 'utf8');
    const file = path.join(folder, '.github/workflows', name);
    cpSync(path.join(root, '.github/workflows', name), file);
    // act reads `$/` as an organisation of that name, and knows no queues.
    writeFileSync(file, olderVariant(text, 'v1'));
  }
  await bundle(
    root,
    path.join(folder, 'dist'),
    entryPoints.filter(({ out }) => out !== 'main'),
  );
}

function standIns(folder: string): Record<string, string> {
  const source = path.join(root, 'test/support/act-actions');
  const made: Record<string, string> = {};
  for (const name of ['upload-artifact', 'download-artifact', 'attest']) {
    const target = path.join(folder, name);
    cpSync(path.join(source, name), target, { recursive: true });
    for (const shared of ['artifact-service.js', 'package.json']) {
      cpSync(path.join(source, shared), path.join(target, shared));
    }
    made[`actions/${name}`] = target;
  }
  return made;
}
