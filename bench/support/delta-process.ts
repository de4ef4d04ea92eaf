/** Codes or applies one delta as a process of its own: `encode OLD NEW DELTA LEVEL`, `decode OLD DELTA NEW`. */
import { closeSync, createReadStream, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { decodeDelta } from '../../src/delta/codec/decode.ts';
import { encodeDelta } from '../../src/delta/codec/encode.ts';

function open(path: string) {
  const file = openSync(path, 'r');
  return {
    size: fstatSync(file).size,
    read(position: number, length: number, into: Uint8Array) {
      for (let got = 0; got < length;) {
        const read = readSync(file, into, got, length - got, position + got);
        if (read === 0) throw new Error(`${path} is too short`);
        got += read;
      }
    },
  };
}

const [, , what, old, from, to, level] = process.argv as unknown as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
const output = openSync(to, 'w');
const write = (bytes: Uint8Array) => {
  for (let done = 0; done < bytes.length;) done += writeSync(output, bytes, done);
};
if (what === 'encode')
  for await (const part of encodeDelta(open(old), open(from), { level: Number(level) })) write(part);
else await decodeDelta(createReadStream(from, { highWaterMark: 256 * 1024 }), open(old), { write });
closeSync(output);
