import path from 'node:path';
import { Option, type Command } from 'commander';
import type { Published } from '../apt/publish.ts';
import { Failure } from '../failure.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

type ContextOf = Parameters<AddCommand>[1];

interface PublishArguments {
  output: string;
  suite: string;
  name?: string;
  baseUrl?: string;
  assetsUrl?: string;
  assets?: string;
  keep?: number;
  validDays?: number;
  signKey?: string[];
  verify?: boolean;
  adopt?: boolean;
}

interface KeyOptions {
  userId?: string;
  dropOld?: boolean;
  public?: boolean;
  signKey?: string[];
}

export const addApt: AddCommand = (program, contextOf) => {
  const apt = program.command('apt').description('a signed apt repository of the packages, and its keys');
  addPublish(apt, contextOf);
  const key = apt.command('key').description('keys that sign a repository: make, look at, rotate');
  addNew(key, contextOf);
  addShow(key, contextOf);
  addRotate(key, contextOf);
};

const signKeyOption = () =>
  new Option(
    '--sign-key <file>',
    'a file with an OpenPGP private key, or gpg:ID for one in GnuPG; may be given several times (default: IMGBUILD_SIGNING_KEY)',
  ).argParser<string[] | undefined>((value, before) => [...(before ?? []), value]);

function addPublish(apt: Command, contextOf: ContextOf): void {
  apt
    .command('publish')
    .description('add packages to a folder that apt installs from when it is served')
    .argument('[packages]', 'a folder of .deb files, or one (default: none; what is there is signed anew)')
    .requiredOption('-o, --output <site>', 'the folder that is served')
    .option('--suite <suite>', 'as it stands in the sources of devices', 'stable')
    .option('--base-url <url>', 'where the folder is served (default: as it was; a new one: this folder)')
    .option('--name <name>', "the repository's name (default: as it was; a new one: the configuration's)")
    .option('--keep <n>', 'newest versions of every package that stay (default: all)', wholeNumber('--keep'))
    .option('--valid-days <n>', 'days after which apt refuses it, unless published again', wholeNumber('--valid-days'))
    .addOption(signKeyOption())
    .option(
      '--assets-url <url>',
      'packages are assets of a release: https://github.com/OWNER/REPO/releases/download/TAG',
    )
    .option('--assets <dir>', 'where packages to upload as such assets go (default: SITE-assets)')
    .option('--verify', 'hash every package that is published already')
    .option('--adopt', 'sign what is there although another key signed it')
    .option('--json', 'print what was published as one JSON document')
    .action(async (debs: string | undefined, options: PublishArguments, command) => {
      const context = contextOf(command);
      const { publish } = await import('../apt/publish.ts');
      const site = path.resolve(context.directory, options.output);
      const published = await publish({
        site,
        debs: debs === undefined ? undefined : path.resolve(context.directory, debs),
        suite: options.suite,
        name: options.name,
        defaultName: await nameOfConfig(context),
        baseUrl: urlOption('--base-url', options.baseUrl),
        assets: assetsOf(context, options, site),
        keep: options.keep,
        validDays: options.validDays,
        keys: await signingKeys(context, options.signKey),
        verify: options.verify ?? false,
        adopt: options.adopt ?? false,
        progress: context.progress,
        signal: context.signal,
      });
      if (context.json)
        context.stdout.write(
          `${JSON.stringify({ schema: 1, site, ...published, validUntil: published.validUntil ?? null })}\n`,
        );
      else context.stdout.write(renderPublished(published, site, context));
    });
}

function renderPublished(published: Published, site: string, context: CommandContext): string {
  const { added, dropped, packages, suite, changed, keys, validUntil } = published;
  const until = validUntil === undefined ? '' : `, valid until ${validUntil.toISOString()}`;
  const lines = [
    ...added.map(
      ({ name, version, architecture, size }) => `+ ${name} ${version} ${architecture}  ${formatBytes(size)}`,
    ),
    ...dropped.map((filename) => `- ${path.basename(filename)}`),
    changed ? `${suite}: ${packages} packages, signed by ${keys.join(' and ')}${until}` : `${suite}: unchanged`,
    `site     ${short(context, site)}`,
    `sources  ${short(context, published.sources)}`,
    `keyring  ${short(context, published.keyring)}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function assetsOf(context: CommandContext, options: PublishArguments, site: string) {
  const url = urlOption('--assets-url', options.assetsUrl);
  if (url === undefined && options.assets === undefined) return undefined;
  if (url === undefined) {
    throw new Failure({
      doing: 'reading --assets',
      because: 'it says where the packages go, and not where they will be found',
      fix: 'give --assets-url too',
      kind: 'input',
    });
  }
  return { url, folder: path.resolve(context.directory, options.assets ?? `${site}-assets`) };
}

async function signingKeys(context: CommandContext, sources: readonly string[] = []): Promise<SigningKey[]> {
  const { findSigningKeys } = await import('../apt/keys.ts');
  const resolved = sources.map((each) => (each.startsWith('gpg:') ? each : path.resolve(context.directory, each)));
  return findSigningKeys(resolved, process.env, context.signal);
}

/** The configuration's name where there is one; `imgbuild apt` also works without. */
async function nameOfConfig({ directory, file }: CommandContext): Promise<string> {
  const { findConfig } = await import('../config/find.ts');
  const found = file ?? (await findConfig(directory).catch(() => undefined));
  if (found === undefined) return 'imgbuild';
  const { loadConfig } = await import('../config/load.ts');
  return (await loadConfig(found, { defaultStore: undefined })).name;
}

function addNew(key: Command, contextOf: ContextOf): void {
  key
    .command('new')
    .description('make a key and write it to a file that only this user may read; never over another')
    .argument('<file>', 'where the private key goes, armoured')
    .option('--user-id <id>', 'NAME <ADDRESS> (default: of the configuration)')
    .option('--json', 'print the key as one JSON document')
    .action(async (file: string, options: KeyOptions, command) => {
      const context = contextOf(command);
      const { newKeyFile } = await import('../apt/keys.ts');
      const target = path.resolve(context.directory, file);
      await showKeys(context, [await newKeyFile(target, await userId(context, options))], { file: target });
    });
}

function addShow(key: Command, contextOf: ContextOf): void {
  key
    .command('show')
    .description('say which keys would sign')
    .argument('[file]', 'a file with private keys, or gpg:ID (default: --sign-key, else IMGBUILD_SIGNING_KEY)')
    .addOption(signKeyOption())
    .option('--public', 'print the public keys alone, armoured')
    .option('--json', 'print the keys as one JSON document')
    .action(async (file: string | undefined, options: KeyOptions, command) => {
      const context = contextOf(command);
      const keys = await signingKeys(context, file === undefined ? options.signKey : [file]);
      if (keys.length === 0) {
        throw new Failure({
          doing: 'looking for signing keys',
          because: 'there is none',
          fix: 'name a file, or set IMGBUILD_SIGNING_KEY; `imgbuild apt key new FILE` makes one',
          kind: 'input',
        });
      }
      await showKeys(context, keys, options.public === true ? { only: 'public' } : {});
    });
}

function addRotate(key: Command, contextOf: ContextOf): void {
  key
    .command('rotate')
    .description('put a new key beside the one in a file: both sign, until --drop-old leaves the new one alone')
    .argument('<file>', 'a file that `apt key new` has made')
    .option('--user-id <id>', 'NAME <ADDRESS> (default: of the configuration)')
    .option('--drop-old', 'leave the newest key alone: when every device has had time to update')
    .option('--json', 'print the keys as one JSON document')
    .action(async (file: string, options: KeyOptions, command) => {
      const context = contextOf(command);
      const { addKeyToFile, dropOldKeys } = await import('../apt/keys.ts');
      const { passphraseVariable } = await import('../signing/openpgp.ts');
      const target = path.resolve(context.directory, file);
      const passphrase = process.env[passphraseVariable];
      const keys =
        options.dropOld === true
          ? [(await dropOldKeys(target, passphrase)).kept]
          : await addKeyToFile(target, await userId(context, options), passphrase);
      await showKeys(context, keys, { file: target });
    });
}

async function userId(context: CommandContext, { userId: given }: KeyOptions): Promise<string> {
  const id = given ?? `${await nameOfConfig(context)} packages <packages@localhost>`;
  if (/^[^<>\n\r]*[^<>\s] <[^\s<>@]+@[^\s<>@]+>$/.test(id)) return id;
  throw new Failure({
    doing: 'reading --user-id',
    because: `${JSON.stringify(id)} is not NAME <ADDRESS>`,
    fix: "write it as in 'Example packages <packages@example.com>'",
    kind: 'input',
  });
}

async function showKeys(
  context: CommandContext,
  keys: readonly SigningKey[],
  show: { file?: string; only?: 'public' },
): Promise<void> {
  const { describePublicKeys } = await import('../signing/public-key.ts');
  const infos = await describePublicKeys(keys.map(({ publicKey }) => publicKey).join('\n'));
  const { stdout } = context;
  if (context.json) {
    const listed = infos.map(({ fingerprint, userId: id, algorithm, created, expires, armoured }) => ({
      fingerprint,
      userId: id ?? null,
      algorithm,
      created,
      expires: expires ?? null,
      publicKey: armoured,
    }));
    stdout.write(`${JSON.stringify({ schema: 1, file: show.file ?? null, keys: listed })}\n`);
    return;
  }
  if (show.only === 'public') {
    stdout.write(infos.map(({ armoured }) => armoured.replaceAll('\r', '')).join('\n'));
    return;
  }
  for (const { fingerprint, userId: id, algorithm, created, expires } of infos) {
    const until = expires === undefined ? 'never expires' : `expires ${expires.toISOString().slice(0, 10)}`;
    stdout.write(`${fingerprint}  ${algorithm}, of ${created.toISOString().slice(0, 10)}, ${until}  ${id ?? ''}\n`);
  }
  if (show.file !== undefined) stdout.write(`in ${short(context, show.file)}: keep it secret, and keep a copy\n`);
}

function wholeNumber(option: string): (text: string) => number {
  return (text) => {
    if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
    throw new Failure({
      doing: `reading ${option}`,
      because: `${JSON.stringify(text)} is not a whole number from 1 on`,
      fix: `write it as in ${option} 3`,
      kind: 'input',
    });
  };
}

function urlOption(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const hasPassword = url !== undefined && url.username + url.password !== '';
  const isPlain =
    url !== undefined &&
    !hasPassword &&
    url.search === '' &&
    url.hash === '' &&
    // What apt would have to read as a word: no spaces, nothing that is no character.
    /^(?:[!-$&-~]|%(?!20)[2-7][0-9A-Fa-f])+$/.test(url.pathname);
  if (isPlain && /^https?:$/.test(url.protocol)) return url.href;
  throw new Failure({
    doing: `reading ${option}`,
    because: hasPassword
      ? 'it holds a user name or a password, which whoever installs from there would read'
      : `${JSON.stringify(text)} is no plain address of the web`,
    fix: `write it as in ${option} https://example.github.io/packages/`,
    kind: 'input',
  });
}

function short(context: CommandContext, file: string): string {
  const relative = path.relative(context.directory, file);
  return relative === '' || relative.startsWith('..') ? file : relative;
}
