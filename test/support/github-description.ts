import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A request to GitHub's REST interface, with its answer. */
export interface GitHubCall {
  method: string;
  /** As in the request line, without the query. */
  path: string;
  query: Record<string, string>;
  /** Undefined where there is no body. */
  contentType: string | undefined;
  /** Of a JSON body. */
  json?: unknown;
  answer?: { status: number; json: unknown };
}

const require = createRequire(import.meta.url);
const description = path.join(path.dirname(require.resolve('@octokit/openapi-types/package.json')), 'types.d.ts');
const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin/tsc');

/** What the types of GitHub's OpenAPI description say of one operation. */
const helpers = `
type Of<O, K extends 'path' | 'query'> = O extends { parameters: { [P in K]?: infer V } }
  ? unknown extends V ? Record<string, never> : [NonNullable<V>] extends [never] ? Record<string, never> : NonNullable<V>
  : Record<string, never>;
type Content<O> = O extends { requestBody?: infer B } ? NonNullable<B> extends { content: infer C } ? C : never : never;
type WithoutBody<O> = O extends { requestBody: object } ? 'a body is required' : true;
type Answers<O> = O extends { responses: infer R } ? R : never;
type Json<R> = R extends { content: { 'application/json': infer J } } ? J : never;
type Some<T> = T extends readonly (infer E)[] ? Some<E>[] : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
`;

/**
 * Holds requests against GitHub's OpenAPI description, by way of the types that Octokit generates from it and the compiler:
 * paths, methods, parameters that are required or unknown, bodies and their fields, and that what was answered is a part of
 * what GitHub answers. One sentence for each thing that is not so.
 */
export function findings(calls: readonly GitHubCall[]): string[] {
  const templates = pathTemplates();
  const found: string[] = [];
  const lines = [`import type { paths } from ${JSON.stringify(description)};`, ...helpers.split('\n')];
  const callOf = new Map<number, string>();
  const distinct = new Map(calls.map((call) => [JSON.stringify(call), call]));
  for (const [index, call] of [...distinct.values()].entries()) {
    const named = `${call.method} ${call.path}`;
    const matched = templates.map((each) => each(call.path)).filter((each) => each !== undefined);
    // `/releases/latest` rather than `/releases/{release_id}`.
    const [best] = matched.toSorted((a, b) => Object.keys(a.parameters).length - Object.keys(b.parameters).length);
    if (best === undefined) {
      found.push(`${named}: the description has no such path`);
      continue;
    }
    const operation = `paths[${JSON.stringify(best.template)}][${JSON.stringify(call.method.toLowerCase())}]`;
    const say = (name: string, type: string, value: unknown) => {
      callOf.set(lines.push(`export const ${name}${index}: ${type} = ${JSON.stringify(value)};`), named);
    };
    say('path', `Of<${operation}, 'path'>`, valuesOf(best.parameters));
    say('query', `Of<${operation}, 'query'>`, valuesOf(call.query));
    if (call.contentType === undefined) say('body', `WithoutBody<${operation}>`, true);
    else say('body', `Content<${operation}>[${JSON.stringify(call.contentType)}]`, call.json ?? '');
    const { answer } = call;
    if (answer === undefined || answer.status >= 400 || answer.json === undefined) continue;
    say('answer', `Some<Json<Answers<${operation}>[${answer.status}]>>`, answer.json);
  }
  for (const { line, message } of compile(lines.join('\n'))) found.push(`${callOf.get(line) ?? line}: ${message}`);
  return found;
}

/** What compares with the paths that the description has; parameters are decoded, and none spans a slash. */
function pathTemplates() {
  const text = readFileSync(description, 'utf8');
  const start = text.indexOf('export interface paths {');
  const all = text.slice(start, text.indexOf('\n}\n', start)).matchAll(/^ {2,4}"(\/[^"]*)": \{$/gm);
  return [...all].map(([, template]) => {
    const names = [...template!.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const pattern = new RegExp(`^${template!.replaceAll(/[.+]/g, '\\$&').replaceAll(/\{\w+\}/g, '([^/]+)')}$`);
    return (asked: string) => {
      const match = pattern.exec(asked);
      if (match === null) return undefined;
      const values = match.slice(1).map(decodeURIComponent);
      return { template: template!, parameters: Object.fromEntries(names.map((name, at) => [name, values[at]!])) };
    };
  });
}

/** A request line has texts alone. */
function valuesOf(texts: Record<string, string>): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      if (/^(0|[1-9]\d*)$/.test(text)) return [name, Number(text)];
      return [name, text === 'true' || text === 'false' ? text === 'true' : text];
    }),
  );
}

function compile(source: string): { line: number; message: string }[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-description-'));
  try {
    const file = path.join(folder, 'calls.ts');
    writeFileSync(file, source);
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--pretty', 'false', '--target', 'esnext'];
    const args = [compiler, ...options, '--module', 'esnext', '--moduleResolution', 'bundler', file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    const found = [...stdout.matchAll(/^[^\n(]*calls\.ts\((\d+),\d+\): error TS\d+: (.*)$/gm)];
    if (status !== 0 && found.length === 0) throw new Error(`the compiler: ${stdout}${stderr}`);
    return found.map(([, line, message]) => ({ line: Number(line), message: message! }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
