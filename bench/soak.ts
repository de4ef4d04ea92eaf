/**
 * `npm run soak -- NAME [--seed N]`: a case with a large count, in parts of at most nine minutes. Each call goes on
 * where the last one stopped; the record in bench/soak/NAME.json holds seed, counts and failures.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { soaks } from './soaks.ts';

interface SoakRecord {
  name: string;
  seed: number;
  total: number;
  done: number;
  /** What the case counts besides, by name; summed over the parts. */
  counts: Record<string, number>;
  failures: string[];
  seconds: number;
  finished: boolean;
}

const partSeconds = 9 * 60;
const [name, ...flags] = process.argv.slice(2);
const soak = name === undefined ? undefined : soaks[name];
if (name === undefined || soak === undefined) {
  console.error(`usage: npm run soak -- NAME [--seed N]\nNAME is one of ${Object.keys(soaks).join(', ')}`);
  process.exit(2);
}

const file = path.join(import.meta.dirname, 'soak', `${name}.json`);
function formerRecord(): SoakRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as SoakRecord;
    return record.finished ? undefined : record;
  } catch {
    return undefined;
  }
}

const given = flags.indexOf('--seed');
const seed = given >= 0 ? Number(flags[given + 1]) : 1;
const former = formerRecord();
const record: SoakRecord = former ?? {
  name,
  seed,
  total: soak.total,
  done: 0,
  counts: {},
  failures: [],
  seconds: 0,
  finished: false,
};
if (former) console.log(`${name}: going on at ${former.done} of ${former.total}`);

const started = Date.now();
const save = () => {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
};
while (record.done < record.total && (Date.now() - started) / 1000 < partSeconds) {
  const began = Date.now();
  const count = Math.min(soak.part, record.total - record.done);
  // Every part has a seed of its own that follows from the record's: a part can be run again alone.
  const result = await soak.run({ seed: record.seed * 1_000_003 + record.done, count });
  record.done += count;
  record.seconds += (Date.now() - began) / 1000;
  record.failures.push(...result.failures);
  for (const [key, value] of Object.entries(result.counts)) record.counts[key] = (record.counts[key] ?? 0) + value;
  record.finished = record.done >= record.total;
  save();
  console.log(`${name}: ${record.done} of ${record.total}, ${record.failures.length} failures`);
}
await soak.stop?.();
console.log(
  record.finished
    ? `${name}: done, recorded in ${path.relative(process.cwd(), file)}`
    : `${name}: run it again to go on`,
);
process.exitCode = record.failures.length === 0 ? 0 : 1;
