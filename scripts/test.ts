/**
 * Runs all tests from bare: each project's set-up installs and starts what it needs. A skip is allowed only from
 * test/allowed-skips.json. Ends with `N passed, N failed, N skipped`. Arguments go to vitest.
 *
 * All tests share two cores with others. A file that fails there is run once more, alone: what passes then is named, since
 * it does not stand a busy machine, and counts as passed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';

interface Report {
  success: boolean;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo' | 'disabled' }[];
  }[];
}
interface AllowedSkip {
  /** A regular expression over `file: full name`. */
  test: string;
  reason: string;
}

const root = path.resolve(import.meta.dirname, '..');
const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-test-'));

const hasFailed = ({ status }: Report['testResults'][number]) => status === 'failed';

/** Undefined where vitest leaves no report. */
async function runTests(name: string, args: readonly string[]): Promise<{ status: number | null; report?: Report }> {
  const output = path.join(work, `${name}.json`);
  const vector = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${output}`, ...args];
  const child = spawn('vitest', vector, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const status = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('exit', resolve),
  );
  try {
    return { status, report: JSON.parse(readFileSync(output, 'utf8')) as Report };
  } catch (error) {
    console.error(`vitest left no report: ${(error as Error).message}`);
    return { status };
  }
}

// Tests of engines take one core and wait a third of their time: the others run beside them.
const beside = `--maxWorkers=${Math.max(1, availableParallelism() - 1)}`;
const args = process.argv.slice(2);
const runs =
  args.length > 0
    ? [runTests('chosen', args)]
    : [
        runTests('engine', ['--project', 'engine']),
        runTests('others', ['--project', 'unit', '--project', 'registry', '--project', 'workflow', beside]),
      ];
const ended = await Promise.all(runs);
let files = ended.flatMap(({ report }) => report?.testResults ?? []);
// Vitest may also fail for what no file tells of.
let unexplained = ended.some(({ status, report }) => status !== 0 && !report?.testResults.some(hasFailed));
const crowded = runs.length > 1 ? files.filter(hasFailed).map(({ name }) => path.relative(root, name)) : [];
if (crowded.length > 0) {
  console.log(`once more, alone: ${crowded.join(', ')}`);
  const { status, report } = await runTests('alone', crowded);
  const again = new Map(report?.testResults.map((file) => [file.name, file]));
  files = files.map((file) => again.get(file.name) ?? file);
  unexplained ||= status !== 0 && !files.some(hasFailed);
  for (const name of crowded) console.log(`failed beside others: ${name}`);
}
rmSync(work, { recursive: true, force: true });

const allowed = JSON.parse(readFileSync(path.join(root, 'test/allowed-skips.json'), 'utf8')) as AllowedSkip[];
const results = files.flatMap((file) =>
  file.assertionResults.map((result) => ({
    name: `${path.relative(root, file.name)}: ${result.fullName}`,
    status: result.status,
  })),
);
const passed = results.filter((result) => result.status === 'passed').length;
const skipped = results.filter((result) => result.status !== 'passed' && result.status !== 'failed');
let failed = results.filter((result) => result.status === 'failed').length;
for (const { name } of skipped) {
  const entry = allowed.find(({ test }) => new RegExp(test).test(name));
  console.log(entry ? `skipped: ${name}: ${entry.reason}` : `skipped without leave: ${name}`);
  if (!entry) failed += 1;
}
// A file that fails before its tests are known has no result of its own.
for (const file of files) {
  if (file.status === 'failed' && file.assertionResults.length === 0) failed += 1;
}
if (failed === 0 && (unexplained || passed === 0)) failed = 1;
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
