/** Codes or applies the layer delta of one model as a process of its own: `encode OLD NEW DELTA`, `decode OLD DELTA NEW`. */
import { closeSync, createReadStream, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { ByteWriter } from '../../src/delta/codec/bytes.ts';
import { packBlock, streamWriters } from '../../src/delta/codec/block.ts';
import { blockLimit } from '../../src/delta/codec/format.ts';
import { levelFor } from '../../src/delta/encode-layer.ts';
import { decodeLayerDelta } from '../../src/delta/layer-delta/decode.ts';
import { encodeLayerDeltaHeader, layerMemoryNeeded } from '../../src/delta/layer-delta/format.ts';
import { memberStreams, putMembers } from '../../src/delta/layer-delta/members.ts';
import { encodePlanesPart } from '../../src/delta/layer-delta/planes-part.ts';

const lengths = { ranges: 1, oldMembers: 0, newMembers: 0 };

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

const [, , what, first, second, third] = process.argv as unknown as [string, string, string, string, string, string];
const output = openSync(third, 'w');
const write = (bytes: Uint8Array) => {
  for (let done = 0; done < bytes.length;) done += writeSync(output, bytes, done);
};
const old = open(first);
if (what === 'encode') {
  const text = open(second);
  const memory = layerMemoryNeeded(blockLimit, lengths);
  const sizes = { oldSize: old.size, newSize: text.size, blockSize: blockLimit, memory };
  write(encodeLayerDeltaHeader({ ...sizes, version: 3 }));
  const streams = streamWriters(memberStreams);
  putMembers(streams.members, []);
  write(await packBlock(memberStreams, streams, 1));
  // A general part of no bytes.
  const none = new ByteWriter(1);
  none.uvarint(0);
  write(none.view());
  const like = { file: old, position: 0 };
  if (!(await encodePlanesPart(text, like, levelFor(text.size), () => {}, write))) throw new Error('no model');
} else await decodeLayerDelta(createReadStream(second, { highWaterMark: 256 * 1024 }), old, { write }, lengths);
closeSync(output);
