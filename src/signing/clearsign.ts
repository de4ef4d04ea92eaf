import { Failure } from '../failure.ts';
import type { SigningKey } from './openpgp.ts';

const signatureStart = '-----BEGIN PGP SIGNATURE-----';

/**
 * A signed document (RFC 9580, section 7) with one signature of each key: whoever trusts any one of them accepts it.
 * `text` ends with a newline.
 */
export async function clearsign(text: string, keys: readonly SigningKey[]): Promise<string> {
  const openpgp = await import('openpgp');
  // The last newline belongs to the framework, not to what is signed.
  const lines = text.replace(/\n$/, '');
  const documents = (await Promise.all(keys.map((key) => key.signCleartext(lines)))).map(splitDocument);
  const [first] = documents;
  if (first === undefined) throw new RangeError('no key to sign with');
  if (documents.some(({ body }) => body !== first.body)) throw new Error('two keys signed different texts');
  const packets: Uint8Array[] = [];
  for (const { signature } of documents) packets.push((await openpgp.unarmor(signature)).data as Uint8Array);
  const hashes = [...new Set(documents.flatMap(({ hashes: names }) => names))].join(', ');
  const { signature: kind } = openpgp.enums.armor;
  // With the checksum: gpgv of GnuPG 2.2 takes the end of an armour without padding for more of its data.
  const signature = openpgp.armor(kind, Buffer.concat(packets), undefined, undefined, undefined, true);
  const unix = signature.replaceAll('\r', '').trimEnd();
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: ${hashes}\n\n${first.body}${unix}\n`;
}

function splitDocument(document: string): { hashes: string[]; body: string; signature: string } {
  const unix = document.replaceAll('\r\n', '\n');
  const start = unix.indexOf('\n\n');
  const end = unix.lastIndexOf(signatureStart);
  if (!unix.startsWith('-----BEGIN PGP SIGNED MESSAGE-----\n') || start === -1 || end === -1)
    throw new Error('a key made no signed document');
  const hashes = [...unix.slice(0, start).matchAll(/^Hash: (.+)$/gm)].flatMap(([, names]) => names!.split(/,\s*/));
  return { hashes, body: unix.slice(start + 2, end), signature: unix.slice(end) };
}

/**
 * The text of a signed document, without trailing newline. Throws a Failure unless one of `publicKeys` (armoured) has
 * signed it. `what` names the document in messages.
 */
export async function openCleartext(document: string, publicKeys: readonly string[], what: string): Promise<string> {
  const openpgp = await import('openpgp');
  const refuse = (because: string) => new Failure({ doing: `verifying ${what}`, because, kind: 'input' });
  const verificationKeys = (
    await Promise.all(publicKeys.map((armoredKeys) => openpgp.readKeys({ armoredKeys })))
  ).flat();
  let message;
  try {
    message = await openpgp.readCleartextMessage({ cleartextMessage: document });
  } catch {
    throw refuse('it is no signed document');
  }
  // The time of a signature may lie ahead of this clock.
  const date = new Date(Date.now() + 24 * 60 * 60 * 1000);
  const { data, signatures } = await openpgp.verify({ message, verificationKeys, date });
  for (const { verified } of signatures) {
    if (
      await verified.then(
        () => true,
        () => false,
      )
    )
      return data as string;
  }
  throw refuse('none of the keys at hand has signed it as it is');
}
