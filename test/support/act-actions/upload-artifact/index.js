import { existsSync } from 'node:fs';
import { add, create, fail, input } from './artifact-service.js';

const paths = input('path')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '');
if (paths.length === 0) fail('Input required and not supplied: path');
if (paths.some((one) => /[*?[\]]/.test(one))) fail('this stand-in takes no wildcards');
const found = paths.filter((one) => existsSync(one));
if (found.length === 0) {
  const message = `No files were found with the provided path: ${paths.join(', ')}. No artifacts will be uploaded.`;
  if (input('if-no-files-found') === 'error') fail(message);
  console.log(message);
} else {
  const target = create(input('name'));
  for (const one of found) add(one, target);
  console.log(`uploaded ${input('name')}`);
}
