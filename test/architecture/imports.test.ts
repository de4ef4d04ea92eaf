import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

/** What each room may import besides itself. Rooms stand from the ground up: nothing imports what is above it. */
const ground = ['failure', 'progress'];
const nouns = [...ground, 'oci', 'files/durable-write', 'files/make-folder', 'files/temporary-folder'];
const allowed: Record<string, string[]> = {
  failure: [],
  progress: [],
  oci: ground,
  process: ground,
  kconfig: [...ground, 'config/did-you-mean', 'files/durable-write'],
  tar: ground,
  signing: [...ground, 'process'],
  import: [
    ...nouns,
    'config/did-you-mean',
    'config/infer',
    'config/yaml-source',
    'dockerfile/generated',
    'files/unreadable',
  ],
  config: [...nouns, 'kconfig', 'import', 'dockerfile/generated'],
  files: [...ground, 'process/identity', 'config/did-you-mean'],
  dockerfile: [...nouns, 'plan/input', 'config/did-you-mean'],
  context: [...nouns, 'process', 'dockerfile/analysis', 'plan/input', 'config/config'],
  registry: [...nouns, 'process', 'store/layer-store'],
  store: [...nouns, 'process', 'registry', 'config/config', 'plan/input'],
  artifact: [...nouns, 'process', 'plan/plan', 'store'],
  fetch: [...nouns, 'files', 'registry', 'store/folder-lock'],
  packages: [...nouns, 'files', 'dockerfile/packages'],
  lock: [...nouns, 'process', 'registry', 'config'],
  plan: [
    ...nouns,
    'process',
    'config',
    'files/nearest',
    'dockerfile',
    'context',
    'lock',
    'registry',
    'store',
    'packages',
  ],
  engine: [...nouns, 'process', 'tar', 'config/config', 'dockerfile', 'registry', 'store'],
  build: [
    ...nouns,
    'process',
    'registry',
    'tar',
    'config',
    'dockerfile',
    'context',
    'lock',
    'store',
    'plan',
    'engine',
    'packages',
  ],
  deb: [...nouns, 'process', 'tar', 'config', 'files', 'context/state-folder', 'store', 'artifact', 'plan/plan'],
  apt: [...nouns, 'process', 'tar', 'deb', 'signing', 'store/folder-lock', 'image-source/unzstd'],
  model: [...nouns, 'process', 'config', 'files', 'fetch', 'registry', 'store', 'artifact', 'plan/plan'],
  'image-source': [
    ...nouns,
    'process',
    'tar',
    'registry',
    'store',
    'engine',
    'config/config',
    'deb/architecture',
    'deb/repository',
  ],
  delta: [
    ...nouns,
    'process',
    'tar',
    'signing',
    'store',
    'engine',
    'image-source',
    'deb/ar',
    'apt/ar-reader',
    'apt/decompress',
  ],
  release: [
    ...nouns,
    'process',
    'artifact/manifest',
    'config',
    'lock',
    'context',
    'store',
    'plan',
    'engine',
    'build',
    'deb',
    'model',
    'delta',
    'signing',
    'image-source',
  ],
  report: [
    ...nouns,
    'plan',
    'build',
    'engine',
    'release',
    'delta',
    'deb',
    'model',
    'store',
    'lock',
    'fetch/clean-cache',
    'kconfig',
  ],
};
/** The front doors, and the project that they open, may use every room; nothing else may use them. */
const doors = ['cli', 'actions', 'project'];

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

const root = path.resolve(import.meta.dirname, '../../src');
const roomOf = (file: string) => path.relative(root, file).replace(/\.ts$/, '').split('/')[0]!;
const imports = sources(root).flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier]) => ({
    file,
    specifier: specifier!,
  })),
);

test('imports point one way', () => {
  const wrong = imports.flatMap(({ file, specifier }) => {
    const from = roomOf(file);
    if (!specifier.startsWith('.') || doors.includes(from)) return [];
    const target = path.relative(root, path.resolve(path.dirname(file), specifier)).replace(/\.ts$/, '');
    const to = target.split('/')[0]!;
    const rooms = allowed[from];
    if (rooms === undefined) return [`room ${from} is not known here`];
    const fine = to === from || rooms.some((room) => target === room || target.startsWith(`${room}/`));
    return fine ? [] : [`${path.relative(root, file)} → ${target}`];
  });
  expect(wrong).toEqual([]);
});

test('GitHub is spoken to in src/actions and src/report/github only', () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith('@actions/'))
    .map(({ file }) => path.relative(root, file))
    .filter((file) => !/^(actions\/|report\/github)/.test(file));
  expect(wrong).toEqual([]);
});

test('programs are started in src/process only', () => {
  const wrong = imports
    .filter(({ specifier }) => /^(node:)?child_process$/.test(specifier))
    .map(({ file }) => path.relative(root, file))
    .filter((file) => !file.startsWith('process/'));
  expect(wrong).toEqual([]);
});
