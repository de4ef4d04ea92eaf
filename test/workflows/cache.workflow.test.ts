import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { makeConsumer, runAct, type ActRun, type Consumer } from '../support/act.ts';

const bed = inject('workflows');

const workflow = `
on: push
jobs:
  plan:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      # As long as a file could still change within the steps of a coarse clock, its hash is not kept.
      - run: printf made > clock/tick.generated; sleep 3
      - id: plan
        uses: org/imgbuild/detect-changed-layers@v1
`;

describe.skipIf(bed.tools.act.kind === 'absent')('what is kept between runs', () => {
  let consumer: Consumer;
  let cacheFolder: string;
  beforeEach(() => {
    cacheFolder = mkdtempSync(path.join(tmpdir(), 'imgbuild-cache-'));
    consumer = makeConsumer(path.resolve(import.meta.dirname, 'consumer'));
    consumer.write('.gitignore', '*.generated\n');
    consumer.write('clock/Dockerfile', 'FROM scratch\nCOPY tick.* /\n');
    consumer.write(
      'imgbuild.yaml',
      'version: 1\nname: clock\nstore: ./saved\nlayers:\n  clock: { context: clock, image: clock }\n',
    );
    consumer.write('.github/workflows/plan.yml', workflow);
    consumer.commit('Plan on push');
  });
  afterEach(() => {
    consumer.remove();
    rmSync(cacheFolder, { recursive: true, force: true });
  });

  const run = async (): Promise<ActRun> => {
    const env = { PATH: process.env.PATH! };
    const done = await runAct({
      bed,
      consumer,
      event: 'push',
      workflow: '.github/workflows/plan.yml',
      cacheFolder,
      env,
    });
    done.dispose();
    return done;
  };

  test('hashes of files that git does not know are restored by the next run, and are all that is kept', async () => {
    const first = await run();
    expect(first.exitCode, first.log).toBe(0);
    expect(first.log).not.toContain('were restored');
    const second = await run();
    expect(second.exitCode, second.log).toBe(0);
    expect(second.log).toContain('hashes of unchanged files were restored');
    const kept = readdirSync(cacheFolder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.db'))
      .map((entry) => statSync(path.join(entry.parentPath, entry.name)).size);
    expect(Math.max(...kept)).toBeLessThan(10_000);
  });
});
