/** Everything that must hold before the tests run: lint, format, types, generated files, bundles. */
import { spawnSync } from 'node:child_process';

const checks: [name: string, ...command: string[]][] = [
  ['lint', 'oxlint', '--deny-warnings', 'src', 'test', 'scripts', 'bench'],
  ['format', 'oxfmt', '--check', 'src', 'test', 'scripts', 'bench'],
  ['types', 'tsc', '--noEmit'],
  ['generated files', 'node', 'scripts/generate.ts', '--check'],
  ['sums of the device program', 'node', 'scripts/device.ts', '--check'],
  ['bundles', 'node', 'scripts/build.ts', '--check'],
];

let failed = 0;
for (const [name, program, ...args] of checks) {
  const { status, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (status === 0) {
    if (stdout.startsWith('not compared')) console.log(`       ${stdout.trim()}`);
    continue;
  }
  failed += 1;
  console.log([stdout, stderr].join('\n').trim());
}
process.exitCode = failed === 0 ? 0 : 1;
