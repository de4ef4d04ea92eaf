import { setSecret } from '@actions/core';
import { passphraseVariable, readSigningKey, signingKeyVariable, type SigningKey } from '../signing/openpgp.ts';
import { secretInput } from './inputs.ts';

/** The key in `sign-key`; undefined where there is none. Neither it nor its passphrase is seen by a program that is started. */
export async function signKeyInput(): Promise<SigningKey | undefined> {
  const { armoured, passphrase } = takeKey();
  return armoured === undefined ? undefined : readSigningKey(Buffer.from(armoured), 'the input sign-key', passphrase);
}

/** … and for what several keys sign, all of them; none where there is none. */
export async function signKeysInput(signal: AbortSignal): Promise<SigningKey[]> {
  const { armoured, passphrase } = takeKey();
  const { findSigningKeys } = await import('../apt/keys.ts');
  return findSigningKeys([], { [signingKeyVariable]: armoured, [passphraseVariable]: passphrase }, signal);
}

function takeKey(): { armoured: string | undefined; passphrase: string | undefined } {
  const variable = process.env[passphraseVariable];
  delete process.env[passphraseVariable];
  if (variable) setSecret(variable);
  return { armoured: secretInput('sign-key'), passphrase: secretInput('sign-passphrase') ?? (variable || undefined) };
}
