import { spawn } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { readDeb } from '../../src/apt/read-deb.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { publishWith } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';
import { readArchive } from './support/read-archive.ts';

export interface KillSoakResult {
  /** Publications whose packages readers saw after the kill. */
  seen: number;
  /** … and did not see. */
  unseen: number;
}

/**
 * Kills a publisher at `count` random moments, one after the other on one site. After each, a reader who trusts the
 * signature alone finds the packages of before or those and the new ones, every one whole; and no file of the pool is
 * partial. In the end one more run publishes all of them. Throws an Error that names the run.
 */
export async function runKillSoak(options: { folder: string; seed: number; count: number }): Promise<KillSoakResult> {
  const random = randomFrom(options.seed);
  const site = join(options.folder, 'site');
  const debs = join(options.folder, 'debs');
  const keyFile = join(options.folder, 'key.asc');
  const { privateKey } = await generateSigningKey('Example packages <packages@example.com>');
  writeFileSync(keyFile, privateKey, { mode: 0o600 });
  const key = await readSigningKey(readFileSync(keyFile), 'the key');
  mkdirSync(debs);
  const add = (version: string) => makeDeb(debs, { name: 'hello', version, files: { 'usr/share/x': randomFile() } });
  const randomFile = () => Buffer.from(Array.from({ length: 300_000 }, () => Math.floor(random() * 256)));
  await add('1.0');
  await publishWith({ site, debs, keys: [key] });
  await add('1.0.1');
  let whole = (await killedPublisher([site, debs, keyFile], undefined))!;
  let last = listed(site);
  let seen = 0;
  for (let run = 1; run <= options.count; run++) {
    const where = `run ${run} of seed ${options.seed}`;
    await add(`1.${run}`);
    // Anywhere from the first step to after the last one. The more were killed, the more there is to do.
    const took = await killedPublisher([site, debs, keyFile], Math.floor(random() * whole * 1.5));
    whole = took ?? whole * 1.1;
    const now = listed(site);
    const all = namesIn(debs);
    if (now.join() === all.join()) seen += 1;
    else if (now.join() !== last.join()) throw new Error(`${where}: readers see ${now.join(' ')}`);
    last = now;
    for (const file of readdirSync(join(site, 'pool'), { recursive: true, encoding: 'utf8' })) {
      if (file.endsWith('.deb')) await readDeb(createReadStream(join(site, 'pool', file)), `${where}: ${file}`);
    }
  }
  await publishWith({ site, debs, keys: [key] });
  if (listed(site).join() !== namesIn(debs).join())
    throw new Error(`seed ${options.seed}: the last run did not finish`);
  const left = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.partial'));
  if (left.length > 0) throw new Error(`seed ${options.seed}: ${left.join(' ')} is left`);
  return { seen, unseen: options.count - seen };
}

const listed = (site: string) =>
  readArchive(site)
    .map(({ Filename }) => basename(Filename!))
    .filter((name) => name.startsWith('hello'))
    .toSorted();
const namesIn = (folder: string) => readdirSync(folder).toSorted();

/** Milliseconds that it took, where it was not killed (after `pause` milliseconds) before it ended. */
async function killedPublisher(args: string[], pause: number | undefined): Promise<number | undefined> {
  const writer = spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let began = 0;
  let took: number | undefined;
  const ended = new Promise<number | null>((resolve) => writer.on('close', resolve));
  for await (const line of createInterface({ input: writer.stdout })) {
    if (line === 'published') took = Date.now() - began;
    if (line !== 'ready') continue;
    began = Date.now();
    if (pause !== undefined) setTimeout(() => writer.kill('SIGKILL'), pause);
  }
  const code = await ended;
  if (code !== null && code !== 0) throw new Error(`the publisher ended by itself, with ${code}`);
  return took;
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
