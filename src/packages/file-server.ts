import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { posix } from 'node:path';
import type { PackageAddress } from '../dockerfile/packages.ts';
import { Failure, type SourceLocation } from '../failure.ts';

/** A file that a build may fetch. */
export interface ServedFile {
  /** Below the folder: as in the URL. */
  path: string;
  /** For messages. */
  name: string;
  /** Absolute. */
  file: string;
  /** In bytes. */
  size: number;
  /** 64 hex digits: what is served is checked against it. */
  sha256: string;
}

/** What goes over the wire, for whoever shows it. `end` is told why it ended early. */
export interface Served {
  started(file: ServedFile, bytes: number): { add(bytes: number): void; end(because?: string): void };
  /** A path that nothing in the Dockerfile names. */
  refused(path: string): void;
}

interface Lease {
  files: ReadonlyMap<string, ServedFile>;
  served: Served;
  ended: Promise<void>;
}

/** In bytes; one per request under way. */
const chunk = 1024 * 1024;

/**
 * Files over HTTP at an address that Dockerfiles name, as `python3 -m http.server` gives them, for as long as builds hold a
 * lease: GET and HEAD (RFC 9110), one Range, listings of folders. Only what a lease names is there. A whole file is sent to
 * its end only when its sha256 is the one that was planned.
 */
export class FileServer {
  readonly #server: Server;
  readonly #leases = new Set<Lease>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  /** Throws a Failure that names the address where it can't be listened at. */
  static async listen({ host, port }: PackageAddress, at: SourceLocation): Promise<FileServer> {
    const server = createServer({ keepAliveTimeout: 1000 });
    try {
      const listening = once(server, 'listening');
      server.listen(port, host);
      await listening;
    } catch (error) {
      throw unservable({ host, port }, at, error as NodeJS.ErrnoException);
    }
    return new FileServer(server);
  }

  /** Waits while another lease has other bytes under one of the paths. */
  async lease(files: readonly ServedFile[], served: Served, signal?: AbortSignal): Promise<() => void> {
    const wanted = new Map(files.map((file) => [file.path, file]));
    for (;;) {
      signal?.throwIfAborted();
      const other = [...this.#leases].find((lease) => differ(lease.files, wanted));
      if (other === undefined) break;
      await other.ended;
    }
    const ended = Promise.withResolvers<void>();
    const lease: Lease = { files: wanted, served, ended: ended.promise };
    this.#leases.add(lease);
    return () => {
      this.#leases.delete(lease);
      ended.resolve();
    };
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #find(path: string): { lease: Lease; file: ServedFile } | undefined {
    for (const lease of this.#leases) {
      const file = lease.files.get(path);
      if (file) return { lease, file };
    }
    return undefined;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return plain(response, 405, 'only GET and HEAD');
    }
    const written = url.replace(/[?#].*$/s, '');
    const path = pathOf(written);
    const found = path === undefined ? undefined : this.#find(path);
    if (found) return this.#send(request, response, found.lease, found.file);
    const names = path === undefined ? [] : this.#namesIn(path);
    if (path === undefined || names.length === 0) {
      for (const { served } of this.#leases) served.refused(path ?? written);
      return plain(response, 404, `nothing in the Dockerfile names ${path ?? written}`);
    }
    if (!written.endsWith('/')) {
      response.setHeader('Location', `${written}/`);
      return plain(response, 301, `${written}/`);
    }
    const body = listing(path, names);
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(body) });
    response.end(method === 'HEAD' ? undefined : body);
  }

  /** Of files and folders right below, folders with a slash. */
  #namesIn(path: string): string[] {
    const prefix = path === '' ? '' : `${path}/`;
    const names = [...this.#leases].flatMap(({ files }) => [...files.keys()]);
    const below = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    return [...new Set(below.map((name) => name.replace(/\/.*$/s, '/')))].toSorted();
  }

  async #send(request: IncomingMessage, response: ServerResponse, lease: Lease, file: ServedFile): Promise<void> {
    await using handle = await open(file.file, 'r').catch(() => undefined);
    const stats = await handle?.stat();
    if (handle === undefined || stats?.size !== file.size) {
      return plain(response, 500, `${file.name} is not what it was when the build was planned`);
    }
    const etag = `"${file.sha256}"`;
    response.setHeader('ETag', etag);
    response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('Last-Modified', stats.mtime.toUTCString());
    response.setHeader('Content-Type', 'application/octet-stream');
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return;
    }
    const stale = request.headers['if-range'] !== undefined && request.headers['if-range'] !== etag;
    const range = stale ? undefined : rangeOf(request.headers.range, file.size);
    if (range === 'none') {
      response.setHeader('Content-Range', `bytes */${file.size}`);
      return plain(response, 416, `${file.name} has ${file.size} bytes`);
    }
    const { first, last } = range ?? { first: 0, last: file.size - 1 };
    response.setHeader('Content-Length', last - first + 1);
    if (range) response.setHeader('Content-Range', `bytes ${first}-${last}/${file.size}`);
    response.writeHead(range ? 206 : 200);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const told = lease.served.started(file, last - first + 1);
    try {
      await copy(handle, response, { first, last, sha256: range ? undefined : file.sha256 }, (bytes) =>
        told.add(bytes),
      );
      told.end();
    } catch (error) {
      told.end((error as Error).message);
      response.destroy();
    }
  }
}

function differ(one: ReadonlyMap<string, ServedFile>, other: ReadonlyMap<string, ServedFile>): boolean {
  return [...one].some(([path, { sha256 }]) => (other.get(path)?.sha256 ?? sha256) !== sha256);
}

/** Undefined where it cannot be decoded or leaves the folder. */
function pathOf(url: string): string | undefined {
  try {
    const parts = decodeURIComponent(url)
      .split('/')
      .filter((part) => part !== '' && part !== '.');
    return parts.includes('..') || parts.some((part) => part.includes('\0')) ? undefined : parts.join('/');
  } catch {
    return undefined;
  }
}

/** One range of bytes (RFC 9110, 14.1.2). `none`: there are no such bytes. Undefined: the whole. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { first: number; last: number } | 'none' | undefined {
  const [, from = '', to = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const count = Math.min(Number(to), size);
    return count === 0 ? 'none' : { first: size - count, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'none' : { first, last };
}

/** The last bytes are held back until the sum of all is known to be right. */
async function copy(
  handle: FileHandle,
  response: ServerResponse,
  { first, last, sha256 }: { first: number; last: number; sha256: string | undefined },
  onBytes: (bytes: number) => void,
): Promise<void> {
  const sum = createHash('sha256');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  for (let position = first; position <= last;) {
    const buffer = Buffer.allocUnsafe(Math.min(chunk, last - position + 1));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw new Error('the file became shorter');
    position += bytesRead;
    const bytes = buffer.subarray(0, bytesRead);
    if (sha256 !== undefined) sum.update(bytes);
    if (position > last && sha256 !== undefined && sum.digest('hex') !== sha256) {
      throw new Error('the file is not what it was when the build was planned');
    }
    if (gone.signal.aborted) throw new Error('the other side hung up');
    if (!response.write(bytes)) {
      await once(response, 'drain', { signal: gone.signal }).catch(() => {
        throw new Error('the other side hung up');
      });
    }
    onBytes(bytesRead);
  }
  response.end();
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`imgbuild: ${text}\n`);
}

const escapeHtml = (text: string) =>
  text.replaceAll(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!);

/** As http.server writes it, which `pip --find-links` and `wget -r` read. */
function listing(path: string, names: readonly string[]): string {
  const items = names.map((name) => {
    const link = encodeURIComponent(posix.basename(name)) + (name.endsWith('/') ? '/' : '');
    return `<li><a href="${link}">${escapeHtml(name)}</a></li>\n`;
  });
  const title = escapeHtml(`/${path}`);
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><ul>\n${items.join('')}</ul></body></html>\n`;
}

function unservable({ host, port }: PackageAddress, at: SourceLocation, error: NodeJS.ErrnoException): Failure {
  const address = `${host}:${port}`;
  const doing = `serving packages at ${address}`;
  const taken = 'another program listens there';
  const reasons: Record<string, [because: string, fix: string]> = {
    EADDRINUSE: [taken, `end it (\`ss -ltnp 'sport = :${port}'\` names it; python3 -m http.server is needed no more)`],
    EADDRNOTAVAIL: [
      `this machine has no address ${host}, so no step of an engine here can reach it`,
      `write the address of the engine's bridge into the Dockerfile: docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}'`,
    ],
    EACCES: [`this user may not listen at port ${port}`, 'write a port above 1023 into the Dockerfile'],
  };
  const [because, fix] = reasons[error.code ?? ''] ?? [error.message, 'see the cause above'];
  return new Failure({ doing, because, fix, at, cause: error });
}
