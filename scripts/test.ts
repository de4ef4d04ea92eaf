/**
 * Runs all tests from bare: each project's set-up installs and starts what it needs. A skip is allowed only from
 * test/allowed-skips.json. Ends with `N passed, N failed, N skipped`. Arguments go to vitest.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
const output = path.join(work, 'report.json');
const { status } = spawnSync(
  'vitest',
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${output}`, ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);

let report: Report | undefined;
try {
  report = JSON.parse(readFileSync(output, 'utf8')) as Report;
} catch (error) {
  console.error(`vitest left no report: ${(error as Error).message}`);
}
rmSync(work, { recursive: true, force: true });

const allowed = JSON.parse(readFileSync(path.join(root, 'test/allowed-skips.json'), 'utf8')) as AllowedSkip[];
const results = (report?.testResults ?? []).flatMap((file) =>
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
for (const file of report?.testResults ?? []) {
  if (file.status === 'failed' && file.assertionResults.length === 0) failed += 1;
}
if (failed === 0 && (status !== 0 || passed === 0)) failed = 1;
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
