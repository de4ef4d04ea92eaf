import { appendFileSync, cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fail, input, list, service } from './artifact-service.js';

const destination = path.resolve(input('path') || process.env.GITHUB_WORKSPACE);
mkdirSync(destination, { recursive: true });
const name = input('name');
const escaped = (input('pattern') || '*').replaceAll(/[.+^${}()|\\]/g, '\\$&').replaceAll('*', '.*');
const wanted = name
  ? list().filter((one) => one === name)
  : list().filter((one) => new RegExp(`^${escaped}$`).test(one));
if (name && wanted.length === 0) fail(`Unable to download artifact(s): Artifact not found for name: ${name}`);
for (const one of wanted) {
  const flat = name !== '' || input('merge-multiple') === 'true';
  cpSync(path.join(service(), one), flat ? destination : path.join(destination, one), { recursive: true });
}
console.log(`downloaded ${wanted.length} artifacts`);
appendFileSync(process.env.GITHUB_OUTPUT, `download-path=${destination}\n`);
