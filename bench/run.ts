/** `npm run bench -- NAME…`: measures and records in bench/results/NAME.json. Without a name it lists them. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';

const infrastructure = ['run', 'soak', 'soaks', 'measure'];
const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((name) => !infrastructure.includes(name));

const names = process.argv.slice(2);
if (names.length === 0) {
  console.log(`usage: npm run bench -- NAME…\nNAME is one of ${known.join(', ')}`);
  process.exit(2);
}
for (const name of names) {
  const file = path.join(import.meta.dirname, `${name}.ts`);
  if (!known.includes(name) || !existsSync(file)) {
    console.error(`there is no bench ${name}; the benches are ${known.join(', ')}`);
    process.exit(2);
  }
  const { status } = spawnSync(process.execPath, [file], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
