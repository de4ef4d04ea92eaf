import { brokenDelta } from '../codec/failure.ts';
import type { ByteSink } from '../codec/output.ts';
import { Deflater } from '../deflate/deflater.ts';
import type { RepackedMember } from './members.ts';

/** Takes a tar whose members are unpacked, and puts it out as it is to be. */
export class Repacker implements ByteSink {
  readonly #members: readonly RepackedMember[];
  readonly #sink: ByteSink;
  #next = 0;
  /** Bytes of the tar that were put out. */
  #size = 0;
  #packing: { deflater: Deflater; left: number; end: number } | undefined;

  constructor(members: readonly RepackedMember[], sink: ByteSink) {
    this.#members = members;
    this.#sink = sink;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const packing = (this.#packing ??= this.#begin());
      if (packing !== undefined) {
        const part = bytes.subarray(done, done + packing.left);
        done += part.length;
        packing.left -= part.length;
        packing.deflater.write(part);
        if (packing.left === 0) this.#end(packing);
        continue;
      }
      const until = (this.#members[this.#next]?.start ?? Infinity) - this.#size;
      const part = bytes.subarray(done, until === Infinity ? bytes.length : done + until);
      done += part.length;
      this.#put(part);
    }
  }

  #begin() {
    const member = this.#members[this.#next];
    if (member === undefined || this.#size < member.start) return undefined;
    this.#next++;
    const end = member.start + member.size;
    const deflater = new Deflater(member.profile, (bytes) => {
      if (this.#size + bytes.length > end) throw otherSize(member);
      this.#put(bytes);
    });
    return { deflater, left: member.unpackedSize, end };
  }

  #end({ deflater, end }: { deflater: Deflater; end: number }): void {
    deflater.end();
    if (this.#size !== end) throw otherSize(this.#members[this.#next - 1]!);
    this.#packing = undefined;
  }

  #put(bytes: Uint8Array): void {
    this.#size += bytes.length;
    this.#sink.write(bytes);
  }
}

function otherSize({ start, size }: RepackedMember): Error {
  return brokenDelta(`the member at ${start} has not ${size} bytes when it is packed`);
}
