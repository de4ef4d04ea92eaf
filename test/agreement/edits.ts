import { existsSync } from 'node:fs';
import { chmod, utimes } from 'node:fs/promises';
import path from 'node:path';
import { runChecked } from '../../src/process/run.ts';
import type { Random } from './random.ts';
import type { Entry, LayerName, Line, World } from './world.ts';

/** Something to do on the disk besides what the world says. */
type OnDisk = (root: string) => Promise<void>;
/** Changes the world, or returns false when there is nothing that it could change. */
export type Edit = (world: World, random: Random) => boolean | OnDisk;

const inApp = (world: World, kind: Entry['kind']) =>
  [...world.files.keys()].filter((name) => name.startsWith('app/') && world.files.get(name)!.kind === kind);

/** Files that some instruction is likely to copy. */
const copied = (world: World) => inApp(world, 'file').filter((name) => !/^app\/(docs|debug)\//.test(name));

function newContent(world: World, name: string, random: Random): boolean {
  const entry = world.files.get(name);
  if (entry?.kind !== 'file') return false;
  world.files.set(name, { ...entry, content: `${world.id} ${random.word()}\n` });
  return true;
}

function addFile(world: World, name: string, random: Random): boolean {
  if (world.files.has(name)) return false;
  world.files.set(name, { kind: 'file', content: `${world.id} ${random.word()}\n`, mode: 0o644 });
  return true;
}

function move(world: World, from: string, to: string): boolean {
  const entry = world.files.get(from);
  if (!entry || world.files.has(to)) return false;
  world.files.delete(from);
  world.files.set(to, entry);
  return true;
}

const lines = (world: World, tag: string, layers: readonly LayerName[] = ['app', 'base']): Line[] =>
  layers.flatMap((layer) => world.dockerfiles[layer]).filter((line) => line.tags.includes(tag));

async function commit(root: string): Promise<void> {
  const git = (...args: string[]) =>
    runChecked('git', ['-C', root, '-c', 'user.name=test', '-c', 'user.email=test@example.org', ...args]);
  if (!existsSync(path.join(root, '.git'))) await git('init', '--quiet');
  await git('-c', 'core.safecrlf=false', 'add', '--all');
  await git('commit', '--quiet', '--allow-empty', '--message', 'State');
}

/** Rewrites one of the lines that have a tag; false when the text stays as it is. */
function rewrite(
  world: World,
  random: Random,
  tag: string,
  change: (text: string) => string,
  without?: string,
): boolean {
  const found = lines(world, tag).filter((line) => without === undefined || !line.tags.includes(without));
  if (found.length === 0) return false;
  const line = random.pick(found);
  const text = change(line.text);
  if (text === line.text) return false;
  line.text = text;
  return true;
}

/** Puts a line somewhere below the first instruction of a Dockerfile, or above everything with `anywhere`. */
function insert(world: World, random: Random, line: Line): boolean {
  const target = world.dockerfiles[random.pick(['app', 'base'] as const)];
  const first = target.findIndex((one) => one.text.startsWith('FROM')) + 1;
  target.splice(first + random.below(target.length - first + 1), 0, line);
  return true;
}

const has = (world: World, tag: string) => lines(world, tag).length > 0;

const swap = (text: string, one: string, other: string) =>
  text.includes(one) ? text.replace(one, other) : text.replace(other, one);

function ignoreLine(world: World, random: Random, text: string): boolean {
  const patterns = world.ownIgnore ?? world.ignore;
  const at = patterns.indexOf(text);
  if (at >= 0) patterns.splice(at, 1);
  else patterns.splice(random.below(patterns.length + 1), 0, text);
  return true;
}

const relativePath = (name: string) => name.slice('app/'.length);

export const edits: Record<string, Edit> = {
  'nothing at all': () => true,
  'content of a file': (world, random) => newContent(world, random.pick(copied(world)), random),
  'line ends of a file': (world, random) => {
    const name = random.pick(copied(world));
    const entry = world.files.get(name);
    if (entry?.kind !== 'file') return false;
    const content = entry.content.includes('\r\n')
      ? entry.content.replaceAll('\r\n', '\n')
      : entry.content.replaceAll('\n', '\r\n');
    world.files.set(name, { ...entry, content });
    return true;
  },
  "git's attributes": (world, random) => {
    const attributes = ['*.txt text eol=crlf', '* text=auto', 'src/** -text', '*.conf filter=none'];
    world.files.set(random.pick(['.gitattributes', 'app/.gitattributes']), {
      kind: 'file',
      content: `${random.pick(attributes)}\n`,
      mode: 0o644,
    });
    return true;
  },
  'everything committed': () => (root) => commit(root),
  "content of the base's file": (world, random) => newContent(world, 'base/files/one.txt', random),
  'content of a file that nobody copies': (world, random) =>
    newContent(world, random.pick(['app/docs/readme.md', 'base/unused.txt', 'app/debug/d']), random),
  'contents of two files swapped': (world) => {
    const [one, two] = [world.files.get('app/src/a.txt'), world.files.get('app/src/b.txt')];
    if (one?.kind !== 'file' || two?.kind !== 'file') return false;
    world.files.set('app/src/a.txt', two).set('app/src/b.txt', one);
    return true;
  },
  touch: (world, random) => {
    const names = Array.from({ length: 5 }, () => random.pick(copied(world)));
    return async (root) => {
      const when = new Date(Date.now() - 1000 * (1 + random.below(1_000_000)));
      for (const name of names) await utimes(path.join(root, name), when, when);
    };
  },
  'executable bit': (world, random) => {
    const name = random.pick([...copied(world), 'base/files/run.sh']);
    const entry = world.files.get(name);
    if (entry?.kind !== 'file') return false;
    world.files.set(name, { ...entry, mode: entry.mode === 0o644 ? 0o755 : 0o644 });
    return true;
  },
  'mode bits that git does not know': (world, random) => {
    const name = random.pick(copied(world));
    const entry = world.files.get(name);
    if (entry?.kind !== 'file') return false;
    const mode = entry.mode & 0o100 ? random.pick([0o700, 0o775]) : random.pick([0o600, 0o664, 0o400]);
    world.files.set(name, { ...entry, mode });
    return true;
  },
  'mode of a folder': (_world, random) => {
    const name = random.pick(['app', 'app/src', 'app/conf/one', 'base']);
    const mode = random.pick([0o700, 0o775, 0o755]);
    return (root) => chmod(path.join(root, name), mode);
  },
  'file renamed': (world, random) => {
    const name = random.pick(copied(world));
    return move(world, name, `${path.dirname(name)}/${random.word()}${path.extname(name)}`);
  },
  'file moved between folders': (world, random) => {
    const name = random.pick(inApp(world, 'file').filter((one) => /^app\/(src|conf|data|tools)\//.test(one)));
    const folder = random.pick(['app/src', 'app/src/sub', 'app/conf/one', 'app/conf/two', 'app/data', 'app/docs']);
    return move(world, name, `${folder}/${path.basename(name)}`);
  },
  'file removed': (world, random) => {
    const extra = copied(world).filter((name) =>
      /(y\.conf|two\.csv|b\.txt|c\.txt|help\.txt|[0-9a-z]{6}\.\w+)$/.test(name),
    );
    return extra.length > 0 && world.files.delete(random.pick(extra));
  },
  'ignored file added': (world, random) =>
    world.ignore.length > 0 &&
    !world.ownIgnore &&
    addFile(
      world,
      random.pick([`app/src/${random.word()}.o`, `app/ignored/${random.word()}`, `app/data/${random.word()}.log`]),
      random,
    ),
  'file added to a folder that is copied': (world, random) =>
    addFile(
      world,
      `app/${random.pick(['src', 'src/sub', 'conf/one', 'lib', 'tools', 'trigger'])}/${random.word()}.txt`,
      random,
    ),
  'file added that a wildcard takes or leaves': (world, random) =>
    has(world, 'wild') && addFile(world, `app/data/${random.word()}.${random.pick(['csv', 'tsv', 'csv~'])}`, random),
  'empty folder added or removed': (world, random) => {
    const name = random.pick(['app/src/hollow', 'app/src/sub/new', 'app/conf/three', 'app/docs/none']);
    if (world.files.has(name)) return world.files.delete(name);
    world.files.set(name, { kind: 'folder', mode: 0o755 });
    return true;
  },
  'folder in place of a file': (world, random) => {
    const name = random.pick(['app/src/b.txt', 'app/conf/two/y.conf', 'app/lib/plain']);
    if (world.files.get(name)?.kind !== 'file') return false;
    world.files.delete(name);
    return addFile(world, `${name}/inside`, random);
  },
  'link in place of a file': (world, random) => {
    const name = random.pick(['app/src/b.txt', 'app/lib/plain', 'app/tools/help.txt', 'app/data/two.csv']);
    if (world.files.get(name)?.kind !== 'file') return false;
    world.files.set(name, { kind: 'link', target: random.pick(['a.txt', '../src/a.txt', 'nowhere']) });
    return true;
  },
  'link to a source leads elsewhere': (world) => {
    const entry = world.files.get('app/link');
    if (entry?.kind !== 'link' || !has(world, 'followed')) return false;
    world.files.set('app/link', { kind: 'link', target: swap(entry.target, 'one', 'two') });
    return true;
  },
  'link within a copied folder leads elsewhere': (world, random) => {
    const name = random.pick(['app/lib/to-a', 'app/lib/dangling']);
    if (world.files.get(name)?.kind !== 'link' || !has(world, 'inner-links')) return false;
    world.files.set(name, {
      kind: 'link',
      target: random.pick(['../src/a.txt', '../src/b.txt', `no/${random.word()}`]),
    });
    return true;
  },
  '.dockerignore takes a file out or in': (world, random) =>
    ignoreLine(world, random, relativePath(random.pick(copied(world)))),
  '.dockerignore pattern': (world, random) =>
    ignoreLine(world, random, random.pick(['src/*.md', '**/c.txt', 'conf/tw?', 'data', 'lib/*'])),
  '.dockerignore negation': (world, random) =>
    ignoreLine(world, random, random.pick(['!src/built.o', '!data/drop.log', '!conf/two/x.conf'])),
  '.dockerignore comment': (world, random) => {
    const patterns = world.ownIgnore ?? world.ignore;
    if (patterns.length === 0) return false;
    patterns.push(random.pick(['', `# ${random.word()}`]));
    return true;
  },
  '<Dockerfile>.dockerignore added or removed': (world) => {
    world.ownIgnore = world.ownIgnore ? undefined : ['*.md', '**/*.o'];
    return true;
  },
  'value of a declared ARG': (world, random) => {
    const found = lines(world, 'arg');
    if (found.length === 0) return false;
    const name = /^ARG (\w+)/.exec(random.pick(found).text)![1]!;
    world.args[name] = name === 'PART' ? random.pick(['a', 'b']) : random.word();
    return true;
  },
  'value of an undeclared ARG': (world, random) => {
    world.args['STRANGER'] = random.word();
    world.args['HTTP_PROXY'] = `http://${random.word()}.invalid:3128`;
    return true;
  },
  "ARG's default": (world, random) =>
    rewrite(world, random, 'default', (text) =>
      text.includes('PART') ? swap(text, '=a', '=b') : text.replace(/=.*/, `=${random.word()}`),
    ),
  'global ARG of a FROM': (world) => {
    // The same image by another name for it: what the FROM says changes, what it means does not.
    const full = `docker.io/library/base${world.id}:1`;
    world.args['START'] = world.args['START'] === full ? `base${world.id}:1` : full;
    return true;
  },
  'global ARG that no FROM uses': (world, random) => {
    world.dockerfiles.app.splice(world.dockerfiles.app[0]!.text.startsWith('# escape') ? 1 : 0, 0, {
      text: `ARG NOBODY=${random.word()}`,
      tags: ['unused'],
    });
    return true;
  },
  comment: (world, random) => insert(world, random, { text: `# ${random.word()}`, tags: ['comment'] }),
  'blank line': (world, random) => insert(world, random, { text: random.pick(['', '   ', '\n']), tags: ['comment'] }),
  'layout of an instruction': (world, random) =>
    rewrite(world, random, 'copy', (text) => {
      if (text.includes('<<') || text.includes('[')) return text;
      const mark = world.dockerfiles.app[0]!.text.includes('escape') && !text.includes('files ') ? '`' : '\\';
      return random.pick([
        text.replace(' ', '    '),
        text.toLowerCase().startsWith('copy') ? text.replace(/^COPY/i, 'copy') : text,
        text.replace(/ (?=\/)/, ` ${mark}\n# in between\n\n  `),
      ]);
    }),
  'text of a RUN': (world, random) => rewrite(world, random, 'run', (text) => `${text} ${random.word()}`),
  'white space in a RUN': (world, random) => rewrite(world, random, 'run', (text) => text.replace(/: /, ':  ')),
  'destination of a COPY': (world, random) =>
    rewrite(world, random, 'copy', (text) =>
      /\.$|\]$/.test(text) ? text : text.replace(/\/?$/, random.pick(['2', '/'])),
    ),
  'ENV that a COPY uses': (world, random) =>
    rewrite(world, random, 'env-path', (text) =>
      text.includes('PLACE') ? swap(text, 'here', 'there') : swap(text, 'one', 'two'),
    ),
  'ENV that nobody uses': (world, random) =>
    insert(world, random, { text: `ENV UNUSED=${random.word()}`, tags: ['env'] }),
  'label, command and the like': (world, random) =>
    rewrite(world, random, 'metadata', (text) =>
      text.startsWith('EXPOSE')
        ? swap(text, '8080', '9090')
        : text.replace(/(one|final|base|[0-9a-z]{6})"?\]?$/, (end) => end.replace(/^\w+/, random.word())),
    ),
  'body of a heredoc': (world, random) =>
    rewrite(world, random, 'heredoc', (text) =>
      text.replace(/\n(.*?)(?=\n)/, (_all, body: string) => `\n${body} ${random.word()}`),
    ),
  'tabs in a heredoc': (world, random) =>
    rewrite(world, random, 'heredoc', (text) => swap(text, '\n\t\thello', '\n\thello')),
  target: (world, random) => {
    const others = [undefined, 'final', 'debug', 'build'].filter((target) => target !== world.target);
    world.target = random.pick(others);
    return true;
  },
  'instruction of a stage that is not needed': (world, random) =>
    rewrite(world, random, 'other', (text) => (text.startsWith('COPY') ? `${text}${random.word()}` : text)),
  'stage that is not needed': (world, random) => {
    const { app } = world.dockerfiles;
    const at = app.findIndex((line) => line.tags.includes('from'));
    app.splice(
      at,
      0,
      { text: `FROM nowhere${random.word()} AS more${random.word()}`, tags: ['from'] },
      { text: 'RUN : more', tags: ['other'] },
    );
    return true;
  },
  'name of a stage': (world) => {
    for (const line of world.dockerfiles.app)
      line.text = line.text.replaceAll(
        /(AS |FROM |--from=)(build|make)\b/g,
        (_all, before: string, name: string) => before + (name === 'build' ? 'make' : 'build'),
      );
    if (world.target === 'build') world.target = 'make';
    else if (world.target === 'make') world.target = 'build';
    return true;
  },
  'stage by its place': (world) => {
    const line = world.dockerfiles.app.find((one) => one.tags.includes('copy-stage'));
    if (!line || line.text.includes('--from=0')) return false;
    if (
      world.dockerfiles.app.findIndex((one) => one.tags.includes('from')) !==
      world.dockerfiles.app.findIndex((one) => / AS (build|make)$/.test(one.text))
    )
      return false;
    line.text = line.text.replace(/--from=\w+/, '--from=0');
    return true;
  },
  'pattern of --exclude': (world, random) =>
    rewrite(world, random, 'exclude', (text) =>
      text.includes('one/**') ? swap(text, 'one/**', '*/x.conf') : swap(text, '*.md', '*.txt'),
    ),
  'file that --exclude leaves out': (world, random) =>
    lines(world, 'exclude').length > 0 &&
    random.pick([newContent, addFile])(
      world,
      random.pick(['app/src/notes.md', 'app/conf/one/x.conf', 'app/src/more.md']),
      random,
    ),
  'source of a bind mount': (world, random) =>
    has(world, 'bind') && newContent(world, random.pick(['app/tools/gen.sh', 'app/tools/help.txt']), random),
  'id of a mount': (world, random) => rewrite(world, random, 'mount-id', (text) => swap(text, 'one', 'two')),
  'trigger of the base': (world, random) => {
    const found = lines(world, 'onbuild', ['base']);
    if (found.length === 0) return false;
    const line = random.pick(found);
    line.text = line.text.includes('COPY')
      ? swap(line.text, ' /trigger', ' /triggered')
      : `${line.text} ${random.word()}`;
    return true;
  },
  "content of a trigger's source": (world, random) =>
    has(world, 'onbuild') && newContent(world, 'app/trigger/t', random),
  'trigger added or removed': (world) => {
    const { base } = world.dockerfiles;
    const at = base.findIndex((line) => line.tags.includes('onbuild'));
    if (at >= 0) base.splice(at, 1);
    else base.push({ text: 'ONBUILD COPY trigger /new', tags: ['onbuild'] });
    return true;
  },
  'ENV of the base that a COPY of its child uses': (world) => {
    const line = world.dockerfiles.base.find((one) => one.tags.includes('env-path'))!;
    line.text = swap(line.text, 'here', 'there');
    return true;
  },
  'order of two instructions': (world, random) => {
    const { app } = world.dockerfiles;
    const at = 3 + random.below(app.length - 5);
    const [one, two] = [app[at]!, app[at + 1]!];
    if (
      [one, two].some(
        ({ tags }) =>
          tags.includes('from') || tags.includes('global') || tags.includes('arg') || tags.includes('env-path'),
      )
    )
      return false;
    app.splice(at, 2, two, one);
    return true;
  },
  'outside image moved': (world) => {
    world.outside = world.outside === 'a' ? 'b' : 'a';
    return true;
  },
  'copy entry': (world) => {
    world.copy = world.copy.length > 0 ? [] : [{ src: 'shared', dst: 'src/shared' }];
    return true;
  },
  "content of a copy entry's source": (world, random) => newContent(world, 'shared/s.txt', random),
  'escape character': (world) => {
    const { app } = world.dockerfiles;
    if (app.some(({ text }) => /[\\`]\n/.test(text))) return false;
    if (app[0]!.text.startsWith('# escape')) app.shift();
    else app.unshift({ text: '# escape=`', tags: ['directive'] });
    return true;
  },
  workdir: (world, random) => rewrite(world, random, 'workdir', (text) => swap(text, 'one', 'two')),
  'pattern of --parents': (world, random) =>
    rewrite(world, random, 'parents', (text) => swap(text, 'src/./sub', 'src/sub')),
};
