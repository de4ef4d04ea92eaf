/**
 * Writes the vectors that other decoders are tested with: `node test/delta/codec/make-vectors.ts`. They are made anew only
 * when the format changes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeElf, sampleProgram, type Program } from './elf-file.ts';
import { encoded, sha256, unpacked } from './files.ts';

/** `sha256` of what must come out; `error` when nothing must. */
export type Vector = { name: string; old: string; delta: string } & ({ sha256: string } | { error: string });

const folder = path.join(import.meta.dirname, 'vectors');
const vectors: Vector[] = [];
mkdirSync(folder, { recursive: true });

function keep(name: string, bytes: Uint8Array): string {
  writeFileSync(path.join(folder, name), bytes);
  return name;
}

function laterRelease(program: Program): Program {
  const added = sampleProgram(program.machine, 80).functions.slice(40);
  const functions = program.functions.toSpliced(20, 3, ...added);
  const constants = program.constants.map((each, at) =>
    at === 2 ? { ...each, bytes: Buffer.concat([each.bytes, Buffer.alloc(90, '+')]) } : each,
  );
  return { ...program, functions: [...functions.slice(60), ...functions.slice(0, 60)], constants };
}

const words = Array.from({ length: 900 }, (_, at) => `line ${at} of a text, ${(at * 7919) % 1009}\n`);
const cases: { name: string; old: Buffer; text: Buffer }[] = [
  { name: 'empty', old: Buffer.alloc(0), text: Buffer.alloc(0) },
  { name: 'new', old: Buffer.alloc(0), text: Buffer.from(words.slice(0, 50).join('')) },
  { name: 'unchanged', old: Buffer.from(words.join('')), text: Buffer.from(words.join('')) },
  {
    name: 'text',
    old: Buffer.from(words.join('')),
    text: Buffer.from([...words.slice(500), 'a new line\n', ...words.slice(0, 480)].join('').replaceAll('99', '98')),
  },
];
for (const machine of ['x86-64', 'aarch64'] as const) {
  for (const fixed of [false, true]) {
    const program: Program = { ...sampleProgram(machine, 120, 1, fixed), go: fixed };
    const name = `${machine}${fixed ? '-fixed-go' : ''}`;
    cases.push({ name, old: makeElf(program), text: makeElf(laterRelease(program)) });
  }
}

for (const { name, old, text } of cases) {
  const oldName = keep(`${name}.old`, old);
  const delta = await encoded(old, text, { level: 19, codec: 'elf' });
  const plain = unpacked(delta);
  vectors.push({ name, old: oldName, delta: keep(`${name}.delta`, delta), sha256: sha256(text) });
  vectors.push({
    name: `${name}, not packed`,
    old: oldName,
    delta: keep(`${name}.plain`, plain),
    sha256: sha256(text),
  });
  if (text.length === 0) continue;
  const wrong = (what: string, bytes: Uint8Array) => {
    const file = keep(`${name}.${vectors.length}.wrong`, bytes);
    vectors.push({ name: `${name}, ${what}`, old: oldName, delta: file, error: what });
  };
  if (name !== 'text' && name !== 'x86-64' && name !== 'aarch64-fixed-go') continue;
  const altered = Buffer.from(plain);
  altered[plain.length - 40]! ^= 1;
  wrong('with another byte near its end', altered);
  wrong('cut in the middle', delta.subarray(0, delta.length >> 1));
  wrong('with a byte behind its end', Buffer.concat([delta, Buffer.from([0])]));
}
writeFileSync(path.join(folder, 'vectors.json'), `${JSON.stringify(vectors, null, 2)}\n`);
