/** Run as a process of its own: publishes the packages of a folder once, and says when it begins. */
import { readFileSync, writeSync } from 'node:fs';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { publishWith } from './support/archive.ts';

const [site, debs, keyFile] = process.argv.slice(2) as [string, string, string];
const key = await readSigningKey(readFileSync(keyFile), 'the key');
writeSync(1, 'ready\n');
await publishWith({ site, debs, keys: [key] });
writeSync(1, 'published\n');
