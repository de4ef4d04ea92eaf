import { readFile } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { createFile, replaceFile } from '../files/durable-write.ts';
import { generateSigningKey } from '../signing/generate-key.ts';
import { gpgSigningKey } from '../signing/gpg-key.ts';
import { passphraseVariable, readSigningKey, signingKeyVariable, type SigningKey } from '../signing/openpgp.ts';

/**
 * The keys that sign an archive: of each `source` a file of one or more private keys, or `gpg:ID` for one that stays in
 * GnuPG; without sources those in IMGBUILD_SIGNING_KEY. Empty where there is none.
 */
export async function findSigningKeys(
  sources: readonly string[],
  environment: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<SigningKey[]> {
  const passphrase = environment[passphraseVariable];
  const found: SigningKey[] = [];
  for (const source of sources) {
    if (source.startsWith('gpg:')) found.push(await gpgSigningKey(source.slice('gpg:'.length), signal));
    else found.push(...(await readKeys(await readKeyFile(source), `the signing key ${source}`, passphrase)));
  }
  const secret = environment[signingKeyVariable];
  if (sources.length === 0 && secret !== undefined && secret.trim() !== '')
    found.push(...(await readKeys(Buffer.from(secret), `the signing key in ${signingKeyVariable}`, passphrase)));
  const fingerprints = new Set<string>();
  return found.filter(({ fingerprint }) => fingerprints.size < fingerprints.add(fingerprint).size);
}

const blockPattern = /-----BEGIN PGP PRIVATE KEY BLOCK-----[\s\S]*?-----END PGP PRIVATE KEY BLOCK-----/g;

/** Keys in armour, one block each, or one key in binary form. */
async function readKeys(bytes: Buffer, what: string, passphrase: string | undefined): Promise<SigningKey[]> {
  const blocks = bytes.toString('latin1').match(blockPattern);
  if (blocks === null) return [await readSigningKey(bytes, what, passphrase)];
  return Promise.all(blocks.map((block) => readSigningKey(Buffer.from(block, 'latin1'), what, passphrase)));
}

async function readKeyFile(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Failure({
      doing: `reading the signing key ${file}`,
      because:
        error.code === 'ENOENT' ? 'there is no such file' : error.code === 'EISDIR' ? 'it is a folder' : error.message,
      fix: '`imgbuild apt key new FILE` makes one',
      kind: 'input',
    });
  });
}

/** Makes a key and writes it to `file`, readable by this user alone. Throws a Failure where a file is there already. */
export async function newKeyFile(file: string, userId: string): Promise<SigningKey> {
  const { privateKey } = await generateSigningKey(userId);
  try {
    await createFile(file, async (handle) => {
      await handle.chmod(0o600);
      await handle.writeFile(privateKey);
    });
  } catch (error) {
    throw keyFileFailure(file, error, 'choose another name, or `imgbuild apt key rotate` to put a new key beside it');
  }
  return readSigningKey(Buffer.from(privateKey), `the signing key ${file}`);
}

/** Puts a new key before those in `file`: both sign from now on. Returns all of them, the newest first. */
export async function addKeyToFile(file: string, userId: string, passphrase?: string): Promise<SigningKey[]> {
  const bytes = await readKeyFile(file);
  const old = await readKeys(bytes, `the signing key ${file}`, passphrase);
  const blocks = requireArmour(file, bytes);
  if (blocks.length > 1) {
    throw new Failure({
      doing: `rotating ${file}`,
      because: `it holds ${blocks.length} keys already`,
      fix: 'drop the old one first, once every device has the new one: `imgbuild apt key rotate --drop-old`',
      kind: 'input',
    });
  }
  const { privateKey } = await generateSigningKey(userId);
  await rewrite(file, [privateKey.trim(), ...blocks]);
  return [await readSigningKey(Buffer.from(privateKey), `the signing key ${file}`), ...old];
}

/** Leaves only the newest key in `file`: the first. Returns it and those that are gone. */
export async function dropOldKeys(
  file: string,
  passphrase?: string,
): Promise<{ kept: SigningKey; dropped: SigningKey[] }> {
  const bytes = await readKeyFile(file);
  const [kept, ...dropped] = await readKeys(bytes, `the signing key ${file}`, passphrase);
  const blocks = requireArmour(file, bytes);
  if (kept === undefined || dropped.length === 0) {
    throw new Failure({
      doing: `dropping the old keys of ${file}`,
      because: 'it holds one key alone',
      fix: '`imgbuild apt key rotate` puts a new one beside it',
      kind: 'input',
    });
  }
  await rewrite(file, blocks.slice(0, 1));
  return { kept, dropped };
}

function requireArmour(file: string, bytes: Buffer): string[] {
  const blocks = bytes.toString('latin1').match(blockPattern);
  if (blocks !== null) return blocks;
  throw new Failure({
    doing: `rotating ${file}`,
    because: 'it is not armoured',
    fix: 'export it anew: `gpg --export-secret-keys --armor ID`',
    kind: 'input',
  });
}

async function rewrite(file: string, blocks: readonly string[]): Promise<void> {
  try {
    await replaceFile(file, async (handle) => {
      await handle.chmod(0o600);
      await handle.writeFile(`${blocks.join('\n')}\n`);
    });
  } catch (error) {
    throw keyFileFailure(file, error, 'choose a folder that this user may write to');
  }
}

function keyFileFailure(file: string, error: unknown, fix: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const because = code === 'EEXIST' ? 'there is a file already, and keys are never written over' : message;
  return new Failure({ doing: `writing the key ${file}`, because, fix, kind: 'input', cause: error });
}
