import { Failure } from '../failure.ts';
import { run, runChecked } from '../process/run.ts';
import { passphraseVariable, signingKeyVariable, type SigningKey } from './openpgp.ts';

/** A key that stays in the user's GnuPG, or on the card that it speaks to. `id`: a fingerprint, key ID or address. */
export async function gpgSigningKey(id: string, signal?: AbortSignal): Promise<SigningKey> {
  // Keys of others are none of its business: what is in its environment, its own programs see too.
  const env = { ...process.env };
  for (const secret of [signingKeyVariable, passphraseVariable]) delete env[secret];
  const options = { env, ...(signal && { signal }) };
  const gpg = (args: readonly string[], input?: string | Uint8Array) =>
    runChecked('gpg', ['--batch', '--no-tty', '--quiet', ...args], { ...options, ...(input && { input }) });
  const listed = await run('gpg', ['--batch', '--no-tty', '--with-colons', '--list-secret-keys', '--', id], options);
  const fingerprints = primaryFingerprints(listed.stdout.toString());
  const [fingerprint] = fingerprints;
  if (listed.exitCode !== 0 || fingerprint === undefined || fingerprints.length > 1) {
    const several = fingerprints.length > 1;
    throw new Failure({
      doing: `looking for the signing key ${id} in GnuPG`,
      because: several ? `${fingerprints.length} secret keys match` : 'it holds no such secret key',
      fix: several
        ? `give one fingerprint: ${fingerprints.join(' or ')}`
        : '`gpg --list-secret-keys` shows those it has',
      kind: 'input',
    });
  }
  const sign = ['--digest-algo', 'SHA512', '--local-user', fingerprint, '--armor', '--output', '-'];
  return {
    fingerprint,
    publicKey: await gpg(['--armor', '--export', fingerprint]),
    signDetached: async (bytes) => Buffer.from(await gpg([...sign, '--detach-sign'], bytes)),
    // gpg takes the last newline for the framework's.
    signCleartext: (text) => gpg([...sign, '--clearsign'], `${text}\n`),
  };
}

/** Of `--with-colons` output (GnuPG's doc/DETAILS): the first fpr line after each sec line. */
function primaryFingerprints(listing: string): string[] {
  const found: string[] = [];
  let primary = false;
  for (const line of listing.split('\n')) {
    const fields = line.split(':');
    if (fields[0] === 'sec') primary = true;
    else if (fields[0] === 'fpr' && primary) {
      found.push(fields[9]!);
      primary = false;
    }
  }
  return found;
}
