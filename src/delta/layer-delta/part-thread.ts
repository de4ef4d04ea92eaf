/** What a thread runs that codes file parts: one after the other, as they are asked for. */
import { closeSync, openSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { Failure } from '../../failure.ts';
import { mebibyte } from '../codec/format.ts';
import { readAll, type RandomAccess } from '../source-spool.ts';
import { encodeFilePart, type EncodedFilePart, type FilePartWork } from './encode-file-part.ts';

/** Bytes of a file on disk. */
export interface FileSlice {
  path: string;
  start: number;
  size: number;
}

/** A pair of programs. */
export interface FilePartJob extends Pick<FilePartWork, 'level' | 'lengths'> {
  old: FileSlice;
  /** Of the old one, in the old file of the layer delta. */
  position: number;
  text: FileSlice;
}

/** Any number of blocks, then one of the others. A Failure crosses as what it was made of. */
export type FilePartAnswer =
  | { kind: 'block'; bytes: Uint8Array }
  | { kind: 'done'; part: EncodedFilePart | undefined }
  | { kind: 'failed'; error: FailedThere };

export type FailedThere =
  | Pick<Failure, 'doing' | 'because' | 'fix' | 'kind'>
  | { message: string; stack: string | undefined; code: string | undefined };

/** A pair of files up to this size is read at once; of a larger one, what is looked at. */
const heldLimit = 64 * mebibyte;

async function answer(job: FilePartJob, send: (answer: FilePartAnswer) => void): Promise<void> {
  const isHeld = job.old.size + job.text.size <= heldLimit;
  const opened: number[] = [];
  const open = ({ path, start, size }: FileSlice): RandomAccess => {
    const file = openSync(path, 'r');
    opened.push(file);
    const stored: RandomAccess = {
      size,
      read: (position, length, into) => readAll(file, into, length, start + position),
    };
    return isHeld ? heldInMemory(stored) : stored;
  };
  try {
    const { position, level, lengths } = job;
    const work = { old: { file: open(job.old), position }, text: open(job.text), level, lengths, onBytes() {} };
    const part = await encodeFilePart(work, (bytes) => send({ kind: 'block', bytes }));
    send({ kind: 'done', part });
  } finally {
    for (const file of opened) closeSync(file);
  }
}

function heldInMemory(file: RandomAccess): RandomAccess {
  const bytes = Buffer.allocUnsafe(file.size);
  file.read(0, file.size, bytes);
  return { size: file.size, read: (position, length, into) => into.set(bytes.subarray(position, position + length)) };
}

function crossing(error: unknown): FailedThere {
  if (error instanceof Failure) {
    const { doing, because, fix, kind } = error;
    return { doing, because, fix, kind };
  }
  const { message, stack, code } = error as NodeJS.ErrnoException;
  return { message, stack, code };
}

parentPort?.on('message', (job: FilePartJob) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  const send = (message: FilePartAnswer) => parentPort!.postMessage(message);
  answer(job, send).catch((error: unknown) => send({ kind: 'failed', error: crossing(error) }));
});
