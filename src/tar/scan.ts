import { damaged } from './damaged.ts';
import { cut, extensionLimit, joined, untilNul, type Extensions, type TarEntry } from './extract.ts';
import { blockSize, decodeHeader, isZeroBlock, padding, type TarHeader } from './header.ts';
import { decodePax, type PaxRecords } from './pax.ts';

/** Is told of an archive's entries in their order. */
export interface TarVisitor {
  /** An entry whose contents come next. */
  begin(entry: TarEntry): void;
  /** A piece of its contents; it stays as it is until `end`. */
  contents(chunk: Buffer): void;
  /** All of them came. */
  end(): void;
}

type Extension = 'pax' | 'pax-global' | 'gnu-long-name' | 'gnu-long-link';

/**
 * Reads an archive as `readTar` does, as its bytes come: without waiting, which takes longer than reading where there are many small
 * entries. Memory: one header, or one extension of it.
 */
export class TarScanner {
  readonly #visitor: TarVisitor;
  readonly #globals: PaxRecords = new Map();
  /** What comes next: so many bytes together, or so many of contents, or so many that are passed over. */
  #wanted = blockSize;
  readonly #takeHeader = (block: Buffer) => this.#header(block);
  #take: (bytes: Buffer) => void = this.#takeHeader;
  #left = 0;
  #skipped = 0;
  /** What came of that which is wanted together. */
  #parts: Buffer[] = [];
  #gathered = 0;
  #position = 0;
  /** Of the entry that is read, once a header of it came. */
  #start: number | undefined;
  #extensions: Omit<Extensions, 'block' | 'header'> = { own: new Map() };
  #isEnded = false;
  /** Whether the archive may end before the bytes that are wanted together. */
  #mayEnd = true;

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor;
  }

  /** Throws a Failure where a header is damaged. What follows the archive's end is passed over. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isEnded;) {
      const rest = chunk.length - at;
      if (this.#left > 0) {
        const size = Math.min(rest, this.#left);
        this.#visitor.contents(at === 0 && size === rest ? chunk : chunk.subarray(at, at + size));
        this.#left -= size;
        this.#position += size;
        at += size;
        if (this.#left === 0) this.#visitor.end();
      } else if (this.#skipped > 0) {
        const size = Math.min(rest, this.#skipped);
        this.#skipped -= size;
        this.#position += size;
        at += size;
      } else {
        const size = Math.min(rest, this.#wanted - this.#gathered);
        const part = chunk.subarray(at, at + size);
        this.#gathered += size;
        this.#position += size;
        at += size;
        if (this.#gathered < this.#wanted) this.#parts.push(Buffer.from(part));
        else {
          const bytes = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part], this.#wanted);
          this.#parts = [];
          this.#gathered = 0;
          this.#take(bytes);
        }
      }
    }
  }

  /** No more bytes come. Throws a Failure where the archive is cut. */
  end(): void {
    // The last padding may be missing; contents may not.
    if (this.#isEnded || (this.#mayEnd && this.#left === 0 && this.#gathered === 0)) return;
    throw cut(this.#position);
  }

  #header(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.#isEnded = true;
      return;
    }
    this.#start ??= this.#position - blockSize;
    const header = decodeHeader(block);
    const { type, size } = header;
    if (type === 'pax' || type === 'pax-global' || type === 'gnu-long-name' || type === 'gnu-long-link') {
      if (size > extensionLimit)
        throw damaged('reading a tar', `an extension header of ${size} bytes at byte ${this.#position}`);
      if (size === 0) this.#extension(type, Buffer.alloc(0));
      else this.#expect(size + padding(size), (bytes) => this.#extension(type, bytes.subarray(0, size)));
    } else if (type === 'gnu-sparse' && block[482] !== 0) this.#sparseMap(header);
    else this.#begin(header);
  }

  #extension(type: Extension, bytes: Buffer): void {
    if (type === 'pax') for (const [key, value] of decodePax(bytes)) this.#extensions.own.set(key, value);
    else if (type === 'pax-global') for (const [key, value] of decodePax(bytes)) this.#globals.set(key, value);
    else this.#extensions[type === 'gnu-long-name' ? 'longName' : 'longLink'] = untilNul(bytes);
    this.#expectHeader();
  }

  /** GNU's old sparse format continues its map in further blocks while a flag says so. */
  #sparseMap(header: TarHeader): void {
    this.#expect(blockSize, (more) => {
      if (more[504] === 0) this.#begin(header);
    });
  }

  #begin(header: TarHeader): void {
    const joint = joined({ ...this.#extensions, header }, this.#globals);
    const entry = { ...joint, start: this.#start!, contentStart: this.#position };
    this.#start = undefined;
    this.#extensions = { own: new Map() };
    this.#expectHeader();
    this.#left = entry.header.size;
    this.#skipped = padding(entry.header.size);
    this.#visitor.begin(entry);
    if (this.#left === 0) this.#visitor.end();
  }

  #expectHeader(): void {
    this.#expect(blockSize, this.#takeHeader);
    this.#mayEnd = true;
  }

  #expect(size: number, take: (bytes: Buffer) => void): void {
    this.#wanted = size;
    this.#take = take;
    this.#mayEnd = false;
  }
}
