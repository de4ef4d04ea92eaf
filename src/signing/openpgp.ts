import { readFile } from 'node:fs/promises';
import { Failure } from '../failure.ts';

/*
 * OpenPGP is loaded when something is signed or verified, and not before: it is larger than all of an action's own
 * code. Keys and passphrases are in no message.
 */
const load = () => import('openpgp');

/** A private key that can sign. */
export interface SigningKey {
  /** 40 hex digits, upper case. */
  fingerprint: string;
  /** Armoured OpenPGP signature over exactly these bytes. */
  signDetached(bytes: Uint8Array): Promise<Buffer>;
  /** The text as a signed document (RFC 9580, section 7: cleartext signature framework), as apt's InRelease. */
  signCleartext(text: string): Promise<string>;
  /** The public key, armoured, for keyrings. */
  publicKey: string;
}

export interface Verification {
  fingerprint: string;
  /** Name and address of the key, where it has one. */
  userId: string | undefined;
  signedAt: Date;
}

/** Name of the environment variable that holds an armoured private key. */
export const signingKeyVariable = 'IMGBUILD_SIGNING_KEY';
/** … and the passphrase of the key, where it has one. */
export const passphraseVariable = 'IMGBUILD_SIGNING_PASSPHRASE';

/** A key from `file` (armoured or binary), else from IMGBUILD_SIGNING_KEY; undefined where neither is given. */
export async function findSigningKey(
  file: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<SigningKey | undefined> {
  const passphrase = environment[passphraseVariable];
  if (file !== undefined) {
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new Failure({
        doing: `reading the signing key ${file}`,
        because:
          error.code === 'ENOENT'
            ? 'there is no such file'
            : error.code === 'EISDIR'
              ? 'it is a folder'
              : error.message,
        fix: `give a readable file with the private key, or the key itself in ${signingKeyVariable}`,
        kind: 'input',
      });
    });
    return readSigningKey(bytes, `the signing key ${file}`, passphrase);
  }
  const text = environment[signingKeyVariable];
  if (text === undefined || text.trim() === '') return undefined;
  return readSigningKey(Buffer.from(text), `the signing key in ${signingKeyVariable}`, passphrase);
}

/** `what` names the key in messages. Throws a Failure when it cannot sign: no private key, locked, expired. */
export async function readSigningKey(bytes: Uint8Array, what: string, passphrase?: string): Promise<SigningKey> {
  const openpgp = await load();
  let key;
  try {
    key = isArmoured(bytes)
      ? await openpgp.readPrivateKey({ armoredKey: Buffer.from(bytes).toString('utf8') })
      : await openpgp.readPrivateKey({ binaryKey: new Uint8Array(bytes) });
    if (!key.isDecrypted()) {
      if (passphrase === undefined) throw new Error('it is locked with a passphrase');
      key = await openpgp.decryptKey({ privateKey: key, passphrase });
    }
    await key.getSigningKey();
  } catch (error) {
    throw new Failure({
      doing: `reading ${what}`,
      because: withoutKey((error as Error).message),
      fix: `give an OpenPGP private key that can sign (\`gpg --export-secret-keys --armor ID\`); a passphrase goes into ${passphraseVariable}`,
      kind: 'input',
    });
  }
  const signingKeys = key;
  return {
    fingerprint: key.getFingerprint().toUpperCase(),
    publicKey: key.toPublic().armor(),
    async signDetached(data) {
      const message = await openpgp.createMessage({ binary: new Uint8Array(data) });
      const signature = await openpgp.sign({ message, signingKeys, detached: true, format: 'armored' });
      return Buffer.from(signature as string);
    },
    async signCleartext(text) {
      const message = await openpgp.createCleartextMessage({ text });
      return openpgp.sign({ message, signingKeys, format: 'armored' });
    },
  };
}

/**
 * Checks a detached signature (armoured or binary) against a keyring: public keys, armoured or binary, one after the
 * other, as gpg exports them. One good signature of a key in the ring is enough. Keys that were expired or revoked when
 * the signature was made, or are now, don't count; a clock that stands before the signature is no reason to refuse it.
 * Throws a Failure otherwise.
 */
export async function verifyDetached(
  bytes: Uint8Array,
  signature: Uint8Array,
  keyring: Uint8Array,
  names: { document: string; keyring: string },
): Promise<Verification> {
  const openpgp = await load();
  const refuse = (because: string, fix: string, cause?: unknown) =>
    new Failure({ doing: `verifying the signature of ${names.document}`, because, fix, kind: 'input', cause });
  let keys;
  try {
    keys = isArmoured(keyring)
      ? await readArmouredKeys(Buffer.from(keyring).toString('utf8'))
      : await openpgp.readKeys({ binaryKeys: new Uint8Array(keyring) });
  } catch (error) {
    throw refuse(
      `${names.keyring} is no OpenPGP keyring: ${withoutKey((error as Error).message)}`,
      'give the file that `gpg --export KEY` wrote',
    );
  }
  let parsed;
  try {
    parsed = isArmoured(signature)
      ? await openpgp.readSignature({ armoredSignature: Buffer.from(signature).toString('utf8') })
      : await openpgp.readSignature({ binarySignature: new Uint8Array(signature) });
  } catch (error) {
    throw refuse(`the signature cannot be read: ${(error as Error).message}`, 'fetch the file again');
  }
  const created = parsed.packets.map((packet) => packet.created?.getTime() ?? 0);
  const date = new Date(Math.max(Date.now(), ...created));
  const message = await openpgp.createMessage({ binary: new Uint8Array(bytes) });
  const { signatures } = await openpgp.verify({ message, signature: parsed, verificationKeys: keys, date });
  let reason = 'it has no signature';
  for (const each of signatures) {
    try {
      await each.verified;
      const packet = (await each.signature).packets[0];
      const key = keys.find((candidate) => candidate.getKeys(each.keyID).length > 0)!;
      // The signature was judged by its own time, which whoever holds an expired key may choose.
      await key.getSigningKey(each.keyID, date);
      return {
        fingerprint: key.getFingerprint().toUpperCase(),
        userId: key.getUserIDs()[0],
        signedAt: packet?.created ?? new Date(0),
      };
    } catch (error) {
      const known = keys.some((candidate) => candidate.getKeys(each.keyID).length > 0);
      reason = known
        ? (error as Error).message.replace(/^Could not [^:]*: /, '')
        : `it was signed by the key ${each.keyID.toHex().toUpperCase()}, which ${names.keyring} does not hold`;
    }
  }
  throw refuse(reason, `use a file that one of the keys of ${names.keyring} has signed`);
}

/** A file of several armoured blocks, as `cat a.asc b.asc` makes it. */
async function readArmouredKeys(text: string) {
  const openpgp = await load();
  const blocks = text.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g);
  if (blocks === null) throw new Error('it holds no public key');
  const keys = await Promise.all(blocks.map((armoredKeys) => openpgp.readKeys({ armoredKeys })));
  return keys.flat();
}

function isArmoured(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('-----BEGIN PGP');
}

/** Parsers quote what they could not read; a private key must not get into a log that way. */
function withoutKey(message: string): string {
  return message
    .split('\n')[0]!
    .slice(0, 120)
    .replace(/[A-Za-z0-9+/=]{40,}/g, '…');
}
