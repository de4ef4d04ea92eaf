import { appendFileSync, readFileSync } from 'node:fs';

const file = process.env['INPUT_SUBJECT-CHECKSUMS'];
const lines = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line !== '');
if (lines.length === 0 || lines.length > 1024)
  throw new Error(`${lines.length} subjects: between 1 and 1024 are taken`);
for (const line of lines) {
  if (!/^[0-9a-f]{64} [ *]\S/.test(line)) throw new Error(`not a line of sha256sum: ${line}`);
  console.log(`subject ${line}`);
}
appendFileSync(process.env.GITHUB_OUTPUT, 'attestation-id=1\n');
