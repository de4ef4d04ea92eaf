import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { isEpoch } from './epoch.ts';
import { emptyLock, type Lock, type LockedBase, type LockedPlatform } from './lock.ts';

export const lockFileName = 'imgbuild.lock';

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'a sha256 digest is needed');
const platform = z
  .strictObject({
    manifest: digest.optional(),
    config: digest.optional(),
    env: z.array(z.string()).default([]),
    workdir: z.string().optional(),
    onbuild: z.array(z.string()).default([]),
  })
  .transform(({ manifest, config, env, workdir, onbuild }, context): LockedPlatform => {
    if ((manifest === undefined) === (config === undefined)) {
      context.issues.push({ code: 'custom', input: manifest, message: 'either manifest or config is needed' });
      return z.NEVER;
    }
    const identity =
      manifest === undefined
        ? ({ kind: 'config', digest: config! } as const)
        : ({ kind: 'manifest', digest: manifest } as const);
    return { identity, env, ...(workdir === undefined ? {} : { workdir }), onbuild };
  });

const baseLine = z.strictObject({
  base: z.string(),
  from: z.custom<LockedBase['from']>(
    (value) => value === 'registry' || value === 'daemon' || (typeof value === 'string' && /^oci:./.test(value)),
    'from is registry, daemon or oci:DIR',
  ),
  index: digest.nullable(),
  platforms: z.record(z.string(), platform),
});
const syntaxLine = z.strictObject({ syntax: z.string(), digest });
const epochLine = z.strictObject({ epoch: z.string(), value: z.string() });

/** `file` is how messages name it. Throws a Failure at the line that is wrong. */
export function parseLock(text: string, file = lockFileName): Lock {
  const lock = emptyLock();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const fail = (because: string, fix = 'remove the line, then run `imgbuild lock`', cause?: unknown): never => {
      const at = { file, line: index + 1, column: 1, length: line.length, text: line };
      throw new Failure({ doing: `reading ${file}`, because, fix, at, kind: 'input', cause });
    };
    if (/^(<{7}|={7}|>{7}|\|{7})/.test(line)) {
      fail('a merge left its marks here', 'remove the lines with marks, keep either side, then run `imgbuild lock`');
    }
    let value: Record<string, unknown> = {};
    try {
      value = JSON.parse(line) as typeof value;
    } catch (error) {
      fail('the line is not JSON', undefined, error);
    }
    const read = <T>(schema: z.ZodType<T>): T => {
      const parsed = schema.safeParse(value);
      if (parsed.success) return parsed.data;
      const issue = parsed.error.issues[0]!;
      return fail(`${issue.path.length === 0 ? '' : `${issue.path.join('.')}: `}${issue.message}`);
    };
    if (typeof value === 'object' && value !== null && 'base' in value) {
      const { base, platforms, ...rest } = read(baseLine);
      const reference = normal(base, (why) => fail(why));
      if (lock.bases.has(reference)) fail(`a second line for ${base}`);
      lock.bases.set(reference, { reference, ...rest, platforms: new Map(Object.entries(platforms)) });
    } else if (typeof value === 'object' && value !== null && 'syntax' in value) {
      const { syntax, digest: locked } = read(syntaxLine);
      if (lock.syntaxes.has(syntax)) fail(`a second line for syntax ${syntax}`);
      lock.syntaxes.set(syntax, locked);
    } else if (typeof value === 'object' && value !== null && 'epoch' in value) {
      const { epoch, value: locked } = read(epochLine);
      if (!isEpoch(locked)) fail(`the epoch ${locked} is no day, week or month`);
      if (lock.epochs.has(epoch)) fail(`a second line for the epoch of ${epoch}`);
      lock.epochs.set(epoch, locked);
    } else fail('the line is about no base, no syntax and no epoch');
  }
  return lock;
}

function normal(reference: string, fail: (why: string) => never): string {
  try {
    return formatReference(parseReference(reference));
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** As people write it: without the registry and the namespace that Docker adds. */
export function familiar(reference: string): string {
  const short = reference.replace(/^docker\.io\/(library\/(?=[^/]+$))?/, '');
  return short !== reference && formatReference(parseReference(short)) === reference ? short : reference;
}

/** The same lock gives the same bytes: one JSON document a line, the lines sorted. */
export function formatLock(lock: Lock): string {
  const bases = [...lock.bases.values()].map(({ reference, from, index, platforms }) => ({
    base: familiar(reference),
    from,
    index,
    platforms: Object.fromEntries(
      [...platforms].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, platformLine(value)]),
    ),
  }));
  const syntaxes = [...lock.syntaxes].map(([syntax, locked]) => ({ syntax, digest: locked }));
  const epochs = [...lock.epochs].map(([epoch, value]) => ({ epoch, value }));
  const lines = [...bases, ...syntaxes, ...epochs].map((line) => `${JSON.stringify(line)}\n`);
  return lines.toSorted((a, b) => (a < b ? -1 : 1)).join('');
}

function platformLine({ identity, env, workdir, onbuild }: LockedPlatform) {
  return { [identity.kind]: identity.digest, env, ...(workdir === undefined ? {} : { workdir }), onbuild };
}

/** imgbuild.lock in the repository's root; an empty lock when there is none. */
export async function readLock(root: string): Promise<Lock> {
  const path = join(root, lockFileName);
  try {
    return parseLock(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof Failure) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyLock();
    throw new Failure({
      doing: `reading ${path}`,
      because: (error as Error).message,
      fix: 'see that it is a file that can be read',
      cause: error,
    });
  }
}

/** Replaces imgbuild.lock whole, and only when it changes. Returns whether it did. */
export async function writeLock(root: string, lock: Lock): Promise<boolean> {
  const path = join(root, lockFileName);
  const text = formatLock(lock);
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === text || (before === undefined && text === '')) return false;
  try {
    await replaceFile(path, (file) => file.writeFile(text));
  } catch (error) {
    throw new Failure({
      doing: `writing ${path}`,
      because: (error as Error).message,
      fix: 'see that this user may write there and that the disk has room',
      cause: error,
    });
  }
  return true;
}
