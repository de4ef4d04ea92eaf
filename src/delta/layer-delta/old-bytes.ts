import { partOf, type RandomAccess } from '../source-spool.ts';
import type { OldEntry } from '../old-tree.ts';
import { headerStart, type OldPlaces } from './used-ranges.ts';

/** The old filesystem layers as an encoder sees them: it has the bytes that it compares, and knows the place of all. */
export class OldBytes {
  /** In the old file that the decoder has. */
  readonly places: OldPlaces;
  readonly #compared: OldPlaces;
  readonly #spool: RandomAccess;

  /** `spool`: what is compared; `compared` says where. */
  constructor(places: OldPlaces, compared: OldPlaces, spool: RandomAccess) {
    this.places = places;
    this.#compared = compared;
    this.#spool = spool;
  }

  contents(entry: OldEntry): RandomAccess {
    return partOf(this.#spool, this.#compared.at(entry.layer, entry.contentStart), entry.size);
  }

  /** The headers of an entry with the padding before them, and their place in the old file. */
  headers(entry: OldEntry): { bytes: Buffer; position: number } {
    const start = headerStart(entry);
    const bytes = Buffer.allocUnsafe(entry.contentStart - start);
    this.#spool.read(this.#compared.at(entry.layer, start), bytes.length, bytes);
    return { bytes, position: this.places.at(entry.layer, start) };
  }
}
