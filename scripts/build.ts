/**
 * Makes dist/: the program and the actions, bundled, so that neither needs node_modules.
 * `--check` builds aside and fails when the committed dist/ differs in one byte.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

export const actionNames = [
  'detect-changed-layers',
  'build-layer',
  'build-debs',
  'push-images',
  'ota-diff',
  'release',
  'release-page',
  'publish-apt',
  'promote',
] as const;

/** Those that `uses: org/imgbuild/<name>@…` names; the root's is `release`. */
export const publishedNames: readonly string[] = actionNames.filter(
  (name) => !['release', 'release-page', 'publish-apt', 'promote'].includes(name),
);

/** CommonJS dependencies call `require`, which an ES module has not. */
const banner =
  "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);";

/**
 * Parts of dependencies that serve what imgbuild never does, and what an action would load at its start all the same:
 * dockerode's connections to hosts over SSH and to BuildKit over gRPC; the OpenID tokens of @actions/core, which bring an
 * HTTP client along; of undici what is beside its clients: fetch and web sockets, which Node has itself, caches, mocks;
 * and zod's messages in other languages.
 */
const unused: readonly { importer: RegExp; path: RegExp }[] = [
  { importer: /\/node_modules\//, path: /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)(\/|$)/ },
  { importer: /\/@actions\/core\/lib\/core\.js$/, path: /^\.\/oidc-utils\.js$/ },
  { importer: /\/node_modules\/zod\/v4\//, path: /\/locales\/index\.js$/ },
  {
    importer: /(?<!@actions\/[a-z-]+)\/node_modules\/undici\/index\.js$/,
    path: /^\.\/lib\/(mock|web|interceptor|cache)\/|socks5|snapshot/,
  },
];

/** Stands for an unused part: any of its names can be read and made, and calling one says what is missing. */
const inert = (path: string) => `
const missing = () => { throw new Error(${JSON.stringify(`${path} is not part of this bundle`)}); };
module.exports = new Proxy(function () {}, {
  get: (_, key) => (key === '__esModule' ? false : module.exports),
  construct: () => module.exports,
  apply: missing,
});
`;

/** One copy of undici for the packages of @actions, which install the same version each below itself. */
const oneUndici: Plugin = {
  name: 'one-undici',
  setup(builder) {
    builder.onResolve({ filter: /^undici$/ }, async ({ importer, kind, pluginData }) => {
      if (!importer.includes('/node_modules/@actions/') || pluginData === oneUndici) return undefined;
      const root = builder.initialOptions.absWorkingDir!;
      const [own, shared] = await Promise.all(
        [dirname(importer), join(root, 'node_modules/@actions/http-client')].map((resolveDir) =>
          builder.resolve('undici', { kind, resolveDir, pluginData: oneUndici }),
        ),
      );
      return (await versionOf(own!.path)) === (await versionOf(shared!.path)) ? shared : own;
    });
  },
};

/** Of the package that a file at its top belongs to. */
async function versionOf(file: string): Promise<string | undefined> {
  const text = await readFile(join(dirname(file), 'package.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { version?: string }).version;
}

const stubs: Plugin = {
  name: 'unused-parts',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /.*/ }, ({ path, importer }) =>
      unused.some((part) => part.path.test(path) && part.importer.test(importer))
        ? { path, namespace: 'unused' }
        : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: inert(path) }));
  },
};

/** How undici learns that it is bundled, so that its second, experimental parser of HTTP/1 stays out. */
const undiciBundled = { esbuildDetection: 'true' };

export interface Bundled {
  /** Of every file of the actions, sizes in bytes and what it imports; esbuild's own form. */
  metafile: Metafile;
}

const program = { in: 'src/cli/main.ts', out: 'main' };

/** Where the command line and each action begin. */
export const entryPoints: readonly { in: string; out: string }[] = [
  program,
  ...actionNames.map((name) => ({ in: `src/actions/${name}.ts`, out: name })),
];

/** Writes the bundles into `outdir`, which is made. The same sources give the same bytes, on any machine. */
export async function bundle(root: string, outdir: string, entries = entryPoints): Promise<Bundled> {
  const common = {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'node',
    outdir,
    metafile: true,
    charset: 'utf8',
    legalComments: 'none',
    minify: true,
    logLevel: 'warning',
    define: undiciBundled,
  } as const;
  const actions = await build({
    ...common,
    target: 'node24',
    entryPoints: entries.filter((entry) => entry !== program),
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: banner },
    plugins: [oneUndici, stubs],
  });
  const inputs = [actions.metafile.inputs];
  if (entries.includes(program)) {
    // One file, whose modules run when they are asked for: Node takes twice as long to find and link fifty.
    const { metafile } = await build({
      ...common,
      target: 'node24',
      entryPoints: [program],
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      define: { ...undiciBundled, 'import.meta.dirname': '__dirname', 'import.meta.url': '__fileUrl' },
      banner: { js: "const __fileUrl = require('node:url').pathToFileURL(__filename).href;" },
      plugins: [oneUndici, stubs],
    });
    inputs.push(metafile.inputs);
  }
  // What threads run are files of their own: they begin where the threads do.
  await build({
    ...common,
    target: 'node24',
    entryPoints: [
      { in: 'src/delta/layer-delta/part-thread.ts', out: 'part-thread' },
      { in: 'src/delta/codec/elf/prepare-thread.ts', out: 'prepare-thread' },
    ],
  });
  await build({
    ...common,
    target: 'node18',
    entryPoints: [{ in: 'src/process/launch.ts', out: 'cli' }],
    banner: { js: '#!/usr/bin/env node' },
  });
  await chmod(join(outdir, 'cli.js'), 0o755);
  await writeFile(join(outdir, 'licenses.txt'), await licensesOf(root, inputs));
  return { metafile: actions.metafile };
}

/** The licence of every package whose code is in the bundles, as most of them ask. */
async function licensesOf(root: string, inputs: readonly Metafile['inputs'][]): Promise<string> {
  const folders = new Set<string>();
  for (const input of inputs.flatMap((each) => Object.keys(each))) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) folders.add(match[1]!);
  }
  const sections = new Map<string, string>();
  for (const folder of folders) {
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    const names = (await readdir(join(root, folder))).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
    const texts = await Promise.all(names.toSorted().map((name) => readFile(join(root, folder, name), 'utf8')));
    const title = `${manifest.name} ${manifest.version} (${manifest.license ?? 'no licence named'})`;
    sections.set(title, [title, '-'.repeat(title.length), ...texts.map((text) => text.trim())].join('\n'));
  }
  const ordered = [...sections].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  return `dist/ contains code of these packages.\n\n${ordered.join('\n\n')}\n`;
}

/** Names of the files, relative to dist/, that differ between the two folders or are in one only; sorted. */
export async function differences(a: string, b: string): Promise<string[]> {
  const names = new Set([...(await filesOf(a)), ...(await filesOf(b))]);
  const differing: string[] = [];
  for (const name of [...names].toSorted()) {
    const [left, right] = await Promise.all([a, b].map((dir) => readFile(join(dir, name)).catch(() => undefined)));
    if (left === undefined || right === undefined || !left.equals(right)) differing.push(name);
  }
  return differing;
}

async function filesOf(dir: string): Promise<string[]> {
  if (!existsSync(dir)) return [];
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name).slice(dir.length + 1));
}

async function main(args: readonly string[]): Promise<void> {
  const root = dirname(import.meta.dirname);
  const dist = join(root, 'dist');
  if (args.includes('--check')) {
    const aside = await mkdtemp(join(tmpdir(), 'imgbuild-dist-'));
    try {
      await bundle(root, aside);
      const stale = await differences(dist, aside);
      if (stale.length === 0) return;
      const shown = stale.slice(0, 5).join(', ') + (stale.length > 5 ? ` and ${stale.length - 5} more` : '');
      console.error(`dist/ is not what the sources give: ${shown}\n  to mend it: npm run build`);
      process.exitCode = 1;
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
    return;
  }
  const aside = await mkdtemp(join(root, `.${basename(dist)}-`));
  try {
    await bundle(root, aside);
    // Temporary folders are their owner's alone.
    await chmod(aside, 0o755);
    await rm(dist, { recursive: true, force: true });
    await rename(aside, dist);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

if (import.meta.main) await main(process.argv.slice(2));
