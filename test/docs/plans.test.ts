import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { styleFor } from '../../src/report/failure.ts';
import { renderPlan } from '../../src/report/plan.ts';
import { chain, git, plan, saveAll } from '../plan/saved-project.ts';

/**
 * The plans that the docs show are what imgbuild says of examples/ccai after these edits. UPDATE_DOCS=1 writes them
 * anew; digests are left as they are, since nobody reads them.
 */
const root = path.resolve(import.meta.dirname, '../..');
type Edit = [file: string, from: string, to: string];
const service: Edit = ['docker/service/app.py', 'LABELS = ["sad", "happy"]', 'LABELS = ["negative", "positive"]'];
const engine: Edit = ['docker/engine/Dockerfile', 'ONNXRUNTIME=1.20.1', 'ONNXRUNTIME=1.21.0'];
const base: Edit = ['docker/base/Dockerfile', 'python3-pip', 'python3-pip libgomp1'];

const shown: [file: string, name: string, edits: Edit[]][] = [
  ['README.md', 'service', [service]],
  ['docs/migration.md', 'base', [base]],
  ['docs/migration.md', 'service', [service]],
  ['docs/migration.md', 'engine', [engine, service]],
];

async function planAfter(edits: Edit[]): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-docs-'));
  cpSync(path.join(root, 'examples/ccai'), folder, { recursive: true });
  const config = path.join(folder, 'imgbuild.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace(/bases:\n.*\n/, ''));
  writeFileSync(path.join(folder, 'imgbuild.lock'), chain['imgbuild.lock']!);
  git(folder, 'init', '-q', '-b', 'main');
  await saveAll(folder);
  for (const [file, from, to] of edits) {
    const full = path.join(folder, file);
    const text = readFileSync(full, 'utf8');
    expect(text).toContain(from);
    writeFileSync(full, text.replace(from, to));
  }
  return renderPlan((await plan(folder)).plan, styleFor({}, {})).trim();
}

const masked = (text: string) => text.replaceAll(/sha256:[0-9a-f]{12}/g, 'sha256:…');

test.each(shown)('%s shows the plan of a change in the %s as it is', async (file, name, edits) => {
  const full = path.join(root, file);
  const text = readFileSync(full, 'utf8');
  const block = new RegExp(`(<!-- plan: ${name} -->\n\`\`\`\n)([^\`]*)(\n\`\`\`)`);
  const real = await planAfter(edits);
  if (process.env.UPDATE_DOCS)
    writeFileSync(
      full,
      text.replace(block, (_, open, _old, close) => `${open}${real}${close}`),
    );
  else expect(masked(block.exec(text)?.[2] ?? 'no such block')).toBe(masked(real));
});
