import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { fileFailure } from '../store/file-failure.ts';
import { fileSource } from '../tar/byte-source.ts';
import { damaged } from '../tar/damaged.ts';
import { readTar } from '../tar/extract.ts';
import type { ByteStream } from './image.ts';

/** The files of a folder or of a tar, by their paths. Missing ones are `undefined`. */
export interface MemberStore {
  /** For messages. */
  name: string;
  size(path: string): Promise<number | undefined>;
  open(path: string): Promise<ByteStream | undefined>;
  close(): Promise<void>;
}

/** A tar of an image has a handful of members for each filesystem layer. */
const memberLimit = 10_000;
const linkLimit = 8;

export async function openFolder(path: string): Promise<MemberStore> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) throw missing(path, info === undefined ? 'there is no such folder' : 'it is no folder');
  const sizeOf = async (member: string) => {
    const found = await stat(join(path, member)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw missing(join(path, member), error.message);
    });
    return found?.isFile() ? found.size : undefined;
  };
  return {
    name: path,
    size: sizeOf,
    async open(member) {
      if ((await sizeOf(member)) === undefined) return undefined;
      return (async function* () {
        const place = join(path, member);
        const file = await open(place).catch((error: Error) => {
          throw missing(place, error.message);
        });
        try {
          yield* told(fileSource(file, 0, Number.MAX_SAFE_INTEGER).chunks(Number.MAX_SAFE_INTEGER), place);
        } finally {
          await file.close();
        }
      })();
    },
    async close() {},
  };
}

/** A tar on disk: its headers are read once, members by their place. Symbolic links inside it are followed. */
export async function openTarFile(path: string): Promise<MemberStore> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw missing(path, error.code === 'ENOENT' ? 'there is no such file' : error.message);
  });
  const members = new Map<string, { start: number; size: number } | { link: string }>();
  try {
    const info = await file.stat();
    if (!info.isFile()) throw missing(path, 'it is no file');
    for await (const entry of readTar(fileSource(file, 0, info.size))) {
      const { name, type, size, linkName } = entry.header;
      if (members.size >= memberLimit) throw missing(path, `it has more than ${memberLimit} members: no image archive`);
      const member = normalised(name);
      if (type === 'file') {
        if (entry.contentStart + size > info.size) throw damaged(`opening ${path}`, `it is cut off inside ${member}`);
        members.set(member, { start: entry.contentStart, size });
      } else if (type === 'symlink') {
        members.set(member, { link: normalised(join(member, '..', linkName)) });
      } else if (type === 'link') {
        members.set(member, { link: normalised(linkName) });
      }
    }
  } catch (error) {
    await file.close();
    throw error instanceof Failure && error.doing === 'reading a tar header'
      ? damaged(`opening ${path}`, error.because)
      : fileFailure(`reading ${path}`, error);
  }
  const resolve = (member: string) => {
    let found = members.get(normalised(member));
    for (let hops = 0; found !== undefined && 'link' in found; hops++) {
      if (hops === linkLimit) return undefined;
      found = members.get(found.link);
    }
    return found as { start: number; size: number } | undefined;
  };
  return {
    name: path,
    async size(member) {
      return resolve(member)?.size;
    },
    async open(member) {
      const found = resolve(member);
      return found && told(fileSource(file, found.start, found.size).chunks(found.size), path);
    },
    async close() {
      await file.close();
    },
  };
}

/** A disk that cannot be read is told with the file on it. */
async function* told(bytes: ByteStream, path: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* bytes;
  } catch (error) {
    throw fileFailure(`reading ${path}`, error);
  }
}

/** A small member as a whole. Throws a Failure when it is larger than `limit` bytes. */
export async function readMember(store: MemberStore, path: string, limit: number): Promise<Buffer | undefined> {
  const size = await store.size(path);
  if (size === undefined) return undefined;
  if (size > limit) {
    throw damaged(`opening ${store.name}`, `${path} has ${size} bytes, more than the ${limit} that are accepted`);
  }
  const parts: Buffer[] = [];
  for await (const chunk of (await store.open(path))!) parts.push(chunk);
  return Buffer.concat(parts);
}

function normalised(path: string): string {
  return join('/', path).slice(1);
}

function missing(path: string, because: string): Failure {
  return new Failure({
    doing: `opening ${path}`,
    because,
    fix: 'check the path, and that it may be read',
    kind: 'input',
  });
}
