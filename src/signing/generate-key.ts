/** A key pair, armoured. */
export interface GeneratedKey {
  privateKey: string;
  publicKey: string;
}

/**
 * A new key without a passphrase, for demonstrations and tests: Ed25519 in the form that every gpgv reads.
 * `userId` is `Name <address>`.
 */
export async function generateSigningKey(userId: string): Promise<GeneratedKey> {
  const openpgp = await import('openpgp');
  const match = /^([^<]*?)\s*<([^>]+)>$/.exec(userId);
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [match ? { name: match[1]!, email: match[2]! } : { name: userId }],
    format: 'armored',
  });
  return { privateKey, publicKey };
}
