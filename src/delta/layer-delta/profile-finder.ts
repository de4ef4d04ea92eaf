import { setImmediate } from 'node:timers/promises';
import { Deflater } from '../deflate/deflater.ts';
import { deflateProfiles, type DeflateProfile } from '../deflate/profile.ts';
import type { FoundMember } from './find-members.ts';

/** Bytes that are packed between two looks at whether they are the right ones. */
const step = 64 * 1024;
/** Bytes between two looks at what else goes on. */
const breath = 2 ** 20;
/** After so many members in a row that no profile makes, only the likeliest are tried. */
const patience = 24;
const likeliest = 3;
/** Debian's documentation and most archives are made by these. */
const usual = [32 + 9, 6, 9, 32 + 6, 16 + 6, 1];

/** Finds out how deflate streams were made, by making them again. Those that were right lately are tried first. */
export class ProfileFinder {
  #profiles = deflateProfiles.toSorted((a, b) => rank(a) - rank(b));
  #failed = 0;

  /** Undefined where no profile makes the very bytes. */
  async profileOf(packed: Buffer, { unpacked }: FoundMember): Promise<DeflateProfile | undefined> {
    const tried = this.#failed < patience ? this.#profiles : this.#profiles.slice(0, likeliest);
    for (const profile of tried) {
      if (!(await makes(profile, unpacked, packed))) continue;
      this.#failed = 0;
      this.#profiles = [profile, ...this.#profiles.filter((each) => each !== profile)];
      return profile;
    }
    this.#failed++;
    return undefined;
  }
}

function rank({ number }: DeflateProfile): number {
  const at = usual.indexOf(number);
  return at < 0 ? usual.length : at;
}

async function makes(profile: DeflateProfile, unpacked: Buffer, packed: Buffer): Promise<boolean> {
  const seen = { made: 0, isRight: true };
  const deflater = new Deflater(profile, (bytes) => {
    seen.isRight &&= Buffer.compare(bytes, packed.subarray(seen.made, seen.made + bytes.length)) === 0;
    seen.made += bytes.length;
  });
  for (let at = 0; at < unpacked.length; at += step) {
    deflater.write(unpacked.subarray(at, at + step));
    if (!seen.isRight) return false;
    if (at > 0 && at % breath === 0) await setImmediate();
  }
  deflater.end();
  return seen.isRight && seen.made === packed.length;
}
