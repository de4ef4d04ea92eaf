import { createHash } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { readTar } from '../../tar/extract.ts';
import { machineOf } from '../codec/elf/image.ts';
import { mebibyte } from '../codec/format.ts';
import { isPlainFile } from '../locate-entries.ts';
import { indexSources, type OldFile } from '../old-tree.ts';
import { partOf, type RandomAccess } from '../source-spool.ts';
import type { Expansion, SpooledMember } from './expansion.ts';

/** A program in what a member unpacks to, and the old one that it resembles. Sizes and places in bytes. */
export interface InnerProgram {
  /** In the contents of its entry, members unpacked. */
  start: number;
  size: number;
  /** In the spool. */
  place: number;
  /** `start` counts from what the member unpacks to. */
  old: { member: SpooledMember; start: number; size: number };
}

interface FoundProgram extends OldFile {
  member: SpooledMember;
  start: number;
}

const tarMagic = Buffer.from('ustar', 'latin1');
const tarMagicAt = 257;

/**
 * The programs among the new members of an entry, and in tars that these are, which have an old one of the same name, or of
 * that but for its version, in their order. Those that are unchanged are not among them.
 */
export async function programsWithin({ members, old }: Expansion, spool: RandomAccess): Promise<InnerProgram[]> {
  const news = old.length === 0 ? [] : await programsOf(members, spool);
  if (news.length === 0) return [];
  const sources = indexSources(await programsOf(old, spool), news);
  const starts = new Map<SpooledMember, number>();
  let grown = 0;
  for (const member of members) {
    starts.set(member, member.start + grown);
    grown += member.unpackedSize - member.size;
  }
  return news.flatMap((program): InnerProgram[] => {
    const source = sources.sourceOf(program);
    if (source.kind !== 'similar') return [];
    const { member, start, size } = program;
    return [{ start: starts.get(member)! + start, size, place: member.place + start, old: source.old }];
  });
}

async function programsOf(members: readonly SpooledMember[], spool: RandomAccess): Promise<FoundProgram[]> {
  const found: FoundProgram[] = [];
  for (const member of members) {
    const file = partOf(spool, member.place, member.unpackedSize);
    const whole = { path: member.name, start: 0, size: file.size };
    for await (const { path, start, size } of isTar(file) ? filesOf(file) : [whole]) {
      const program = partOf(file, start, size);
      if (machineOf(program) === undefined) continue;
      found.push({ path, start, size, hash: await hashOf(program), member });
    }
  }
  return found;
}

async function* filesOf(tar: RandomAccess): AsyncGenerator<{ path: string; start: number; size: number }> {
  try {
    for await (const entry of readTar(chunksOf(tar))) {
      const { contentStart: start, header } = entry;
      const { name: path, size } = header;
      if (isPlainFile(entry) && start + size <= tar.size) yield { path, start, size };
    }
  } catch (error) {
    // It only seems to be one; what was found until then are programs.
    if (!(error instanceof Failure)) throw error;
  }
}

function isTar(file: RandomAccess): boolean {
  if (file.size < tarMagicAt + tarMagic.length) return false;
  const magic = Buffer.alloc(tarMagic.length);
  file.read(tarMagicAt, magic.length, magic);
  return magic.equals(tarMagic);
}

async function hashOf(file: RandomAccess): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunksOf(file)) hash.update(chunk);
  return hash.digest('hex');
}

async function* chunksOf(file: RandomAccess): AsyncGenerator<Buffer> {
  for (let at = 0; at < file.size; at += mebibyte) {
    const chunk = Buffer.allocUnsafe(Math.min(mebibyte, file.size - at));
    file.read(at, chunk.length, chunk);
    yield chunk;
  }
}
