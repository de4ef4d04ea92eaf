/** A source of ADD that is fetched. `pin` is the checksum or commit that fixes its content. */
export interface RemoteSource {
  kind: 'http' | 'git';
  /** Without user name and password. */
  url: string;
  pin: string | undefined;
}

const scp = /^[a-zA-Z0-9-_]+@[a-zA-Z0-9-.]+:(?<path>.*?)(?:\?(?<query>.*?))?(?:#(?<fragment>.*))?$/;
const commit = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;

/** Whether BuildKit takes it for `ADD --checksum`: a digest of what HTTP gives, a commit of git. */
export function isChecksum(text: string, kind: RemoteSource['kind']): boolean {
  if (kind === 'git') return /^[0-9a-f]+$/i.test(text);
  return /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/.test(text);
}

/**
 * What ADD fetches, as BuildKit tells it from a path: a URL of http or https; git where such a URL's path ends in
 * `.git`, where the scheme is git or ssh, and for `user@host:path`. Undefined for a path of the context.
 */
export function remoteSource(source: string, checksum: string | undefined): RemoteSource | undefined {
  if (source.startsWith('./') || source.startsWith('../')) return undefined;
  const scheme = /^([a-zA-Z0-9]+):\/\//.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const found = scp.exec(source);
    if (!found) return undefined;
    const pin = gitPin(found.groups!['query'], found.groups!['fragment'], checksum);
    return { kind: 'git', url: source, pin };
  }
  if (!['http', 'https', 'git', 'ssh'].includes(scheme)) return undefined;
  const url = withoutPassword(source);
  const [beforeFragment, fragment] = cut(source, '#');
  const [address, query] = cut(beforeFragment, '?');
  if (scheme === 'git' || scheme === 'ssh' || address.endsWith('.git')) {
    return { kind: 'git', url, pin: gitPin(query, fragment, checksum) };
  }
  return { kind: 'http', url, pin: checksum || undefined };
}

function gitPin(query: string | undefined, fragment: string | undefined, checksum: string | undefined) {
  const parameters = new URLSearchParams(query ?? '');
  const refs = [fragment?.split(':')[0], parameters.get('ref')].filter((ref) => ref && commit.test(ref));
  return checksum || parameters.get('checksum') || parameters.get('commit') || refs[0] || undefined;
}

function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function withoutPassword(url: string): string {
  return url.replace(/^([a-zA-Z0-9]+:\/\/)[^/?#]*@/, '$1');
}
