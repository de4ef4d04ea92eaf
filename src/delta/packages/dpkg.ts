/** A package as its manager knows it, and what it says that it has. */
export interface ListedPackage {
  kind: 'dpkg' | 'python';
  name: string;
  version: string | undefined;
  /** In the image's tree, without a slash in front. */
  files: Iterable<string>;
  /** Folders of which all contents are its own. */
  folders?: string[];
}

const info = /^var\/lib\/dpkg\/info\/([^/:]+)(?::[^/]+)?\.list$/;
const sums = /^var\/lib\/dpkg\/status\.d\/([^/]+)\.md5sums$/;
const control = /^var\/lib\/dpkg\/status\.d\/([^/]+)$/;

/**
 * Packages that dpkg has installed, by its own lists (dpkg(1), "FILES"); in distroless images, which have no dpkg, by one
 * control file for each package and its md5sums. Lines that make no sense are passed over: this is for reports alone.
 */
export function* dpkgPackages(lists: ReadonlyMap<string, Buffer>): Generator<ListedPackage> {
  const versions = new Map<string, string>();
  for (const stanza of stanzas(lists.get('var/lib/dpkg/status'))) {
    const { name, version } = named(stanza);
    if (name !== undefined && version !== undefined) versions.set(name, version);
  }
  for (const [path, text] of lists) {
    const name = info.exec(path)?.[1];
    if (name !== undefined) {
      yield { kind: 'dpkg', name, version: versions.get(name), files: withOwn(path, lines(text)) };
      continue;
    }
    const stem = sums.test(path) ? undefined : control.exec(path)?.[1];
    if (stem === undefined) continue;
    const [first] = stanzas(text);
    const { name: found = stem, version } = named(first ?? '');
    const sumsPath = `${path}.md5sums`;
    const files = sumLines(lists.get(sumsPath));
    yield { kind: 'dpkg', name: found, version, files: [path, sumsPath, ...files] };
  }
}

/** The extensions of what dpkg keeps of a package beside its list. */
const kept = ['conffiles', 'config', 'md5sums', 'postinst', 'postrm', 'preinst', 'prerm', 'shlibs', 'symbols'];
const alsoKept = ['templates', 'triggers'];

function* withOwn(list: string, files: Iterable<string>): Generator<string> {
  yield list;
  const stem = list.slice(0, -'list'.length);
  for (const extension of [...kept, ...alsoKept]) yield stem + extension;
  yield* files;
}

function* lines(text: Buffer): Generator<string> {
  for (const line of text.toString('utf8').split('\n')) if (line.startsWith('/') && line !== '/.') yield line.slice(1);
}

function* sumLines(text: Buffer | undefined): Generator<string> {
  for (const line of text?.toString('utf8').split('\n') ?? []) {
    const path = /^[0-9a-f]{32}  (.+)$/.exec(line)?.[1];
    if (path !== undefined) yield path.replace(/^(?:\.?\/)+/, '');
  }
}

function stanzas(text: Buffer | undefined): string[] {
  return text?.toString('utf8').split(/\n{2,}/) ?? [];
}

function named(stanza: string): { name: string | undefined; version: string | undefined } {
  return { name: /^Package: *(\S+)/m.exec(stanza)?.[1], version: /^Version: *(\S+)/m.exec(stanza)?.[1] };
}
