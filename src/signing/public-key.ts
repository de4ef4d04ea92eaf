/** What a public key says of itself. */
export interface PublicKeyInfo {
  /** 40 hex digits, upper case. */
  fingerprint: string;
  userId: string | undefined;
  /** `ed25519Legacy`, `rsa4096` … */
  algorithm: string;
  created: Date;
  /** Undefined: never. */
  expires: Date | undefined;
  armoured: string;
  /** The packets: files of these, one after the other, are keyrings that gpgv and sqv read. */
  binary: Uint8Array;
}

/** Reads armoured public keys; of several blocks in one text, all. */
export async function describePublicKeys(armoured: string): Promise<PublicKeyInfo[]> {
  const openpgp = await import('openpgp');
  const blocks = armoured.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g);
  const keys = (await Promise.all((blocks ?? []).map((armoredKeys) => openpgp.readKeys({ armoredKeys })))).flat();
  return Promise.all(
    keys.map(async (key) => {
      const { algorithm, bits, curve } = key.getAlgorithmInfo();
      const expires = await key.getExpirationTime();
      return {
        fingerprint: key.getFingerprint().toUpperCase(),
        userId: key.getUserIDs()[0],
        algorithm: curve ?? `${algorithm.replace(/EncryptSign$/, '')}${bits ?? ''}`,
        created: key.getCreationTime(),
        expires: expires instanceof Date ? expires : undefined,
        armoured: key.armor(),
        binary: key.write(),
      };
    }),
  );
}
