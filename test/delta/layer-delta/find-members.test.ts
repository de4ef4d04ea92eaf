import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { findMembers } from '../../../src/delta/layer-delta/find-members.ts';

const packed = gzipSync('hello, hello, hello, hello');
const member = (size: string, contents: Buffer) =>
  Buffer.concat([Buffer.from(`${'data.gz'.padEnd(48)}${size.padEnd(10)}\`\n`), contents]);
const ar = (...members: Buffer[]) => Buffer.concat([Buffer.from('!<arch>\n'), ...members]);

describe('an ar archive', () => {
  test('has the members that are gzip files', () => {
    const found = [...findMembers(ar(member(String(packed.length), packed)), 1000)];
    expect(found.map(({ unpacked }) => unpacked.toString())).toEqual(['hello, hello, hello, hello']);
  });

  test.each(['-60', '', 'many', '99999'])('whose size is %j ends there', (size) => {
    expect([...findMembers(ar(member(size, packed)), 1000)]).toEqual([]);
  });
});
