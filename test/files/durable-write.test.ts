import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFile, replaceFile, writeDurably } from '../../src/files/durable-write.ts';

const newFolder = () => mkdtemp(join(tmpdir(), 'imgbuild-durable-'));
const broken = new Error('half-way');

describe.each([
  [
    'writeDurably',
    (path: string, text: string) => writeDurably(join(path, '..'), path, (file) => file.writeFile(text)),
  ],
  ['replaceFile', (path: string, text: string) => replaceFile(path, (file) => file.writeFile(text))],
])('%s', (_name, write) => {
  test('puts the file there, or in the place of the one before, and leaves nothing beside it', async () => {
    const folder = await newFolder();
    for (const text of ['one', 'two']) {
      await write(join(folder, 'a'), text);
      expect(await readFile(join(folder, 'a'), 'utf8')).toBe(text);
    }
    expect(await readdir(folder)).toEqual(['a']);
  });
});

test('what fails half-way leaves the file as it was and nothing beside it', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a');
  await writeFile(path, 'before');
  const fill = async (file: { writeFile(text: string): Promise<void> }, temporary: string) => {
    await file.writeFile('half');
    expect(await readFile(temporary, 'utf8')).toBe('half');
    expect(await readFile(path, 'utf8')).toBe('before');
    throw broken;
  };
  await expect(replaceFile(path, fill)).rejects.toBe(broken);
  await expect(writeDurably(folder, path, fill)).rejects.toBe(broken);
  await expect(createFile(path, fill)).rejects.toBe(broken);
  expect(await readdir(folder)).toEqual(['a']);
  expect(await readFile(path, 'utf8')).toBe('before');
});

test('createFile never replaces, even what came while it wrote', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a');
  const late = createFile(path, async (file) => {
    await file.writeFile('mine');
    await writeFile(path, 'theirs');
  });
  await expect(late).rejects.toMatchObject({ code: 'EEXIST' });
  expect(await readFile(path, 'utf8')).toBe('theirs');
  expect(await readdir(folder)).toEqual(['a']);
  await createFile(join(folder, 'b'), (file) => file.writeFile('b'));
  expect(await readFile(join(folder, 'b'), 'utf8')).toBe('b');
});
