import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseYaml, type YamlSource } from '../../config/yaml-source.ts';
import { Failure, type SourceLocation } from '../../failure.ts';
import { wrongIn } from '../place.ts';

/** Where a cluster's images are pushed to. */
export interface ClusterRegistry {
  /** `docker.io`, also where the file says `public`. */
  domain: string;
  /** '' where there is none. */
  namespace: string;
  tag: string;
  credential?: { user: string; password: string };
}

const fileName = 'services-configuration.yaml';

/** The older form, which wins where both are there, and the one that followed it. */
const forms = [
  {
    path: ['cluster', 'docker-registry-info'],
    domain: 'docker-registry-domain',
    namespace: 'docker-namespace',
    tag: 'docker-tag',
    user: 'docker-username',
    password: 'docker-password',
  },
  {
    path: ['cluster', 'docker-registry'],
    domain: 'domain',
    namespace: 'namespace',
    tag: 'tag',
    user: 'username',
    password: 'password',
  },
] as const;

/** Reads the registry section of a cluster configuration. Throws a Failure, which never shows a line with a password. */
export async function readCluster(directory: string): Promise<ClusterRegistry> {
  const file = join(directory, fileName);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure({
      doing: `reading ${file}`,
      because: missing ? 'there is no such file' : (error as Error).message,
      fix: `name the folder that has ${fileName}: -p DIR`,
      kind: 'input',
      cause: error,
    });
  }
  return parseCluster(text, file);
}

/** As `readCluster`, of a text. */
export function parseCluster(text: string, file: string): ClusterRegistry {
  const source = parseYaml(text, file);
  const [first] = source.failures;
  if (first) {
    const { doing, at } = first;
    // The parser quotes what it stumbles over.
    const because = 'this is no valid YAML; what stands there is not shown, since it may be a password';
    const fix = 'mend the YAML here, or put the value in single quotes';
    throw new Failure({ doing, because, fix, ...(at ? { at: hidden(at) } : {}), kind: 'input' });
  }
  const form = forms.find(({ path }) => section(source.data, path) !== undefined);
  if (!form) {
    const fix = 'write cluster: docker-registry: { domain: …, namespace: …, tag: … }';
    throw wrongIn(hidden(source.locate(['cluster'])), 'there is no section cluster.docker-registry', fix);
  }
  const values = section(source.data, form.path)!;
  const value = (key: string) => scalarAt(source, [...form.path, key], values[key]);
  const required = (key: string) => {
    const found = value(key);
    if (found) return found;
    const at = hidden(source.locate([...form.path, ...(values[key] === undefined ? [] : [key])], 'key'));
    throw wrongIn(at, `${key} is missing in ${form.path.join('.')}`, `write ${key}: VALUE`);
  };
  const domain = required(form.domain);
  const user = value(form.user);
  const password = value(form.password);
  if ((user === '') !== (password === '')) {
    const lacks = user === '' ? form.user : form.password;
    const at = hidden(source.locate([...form.path, user === '' ? form.password : form.user], 'key'));
    throw wrongIn(at, `${lacks} is missing in ${form.path.join('.')}`, 'write both, or neither');
  }
  return {
    domain: domain === 'public' ? 'docker.io' : domain,
    namespace: value(form.namespace),
    tag: required(form.tag),
    ...(user === '' ? {} : { credential: { user, password } }),
  };
}

function section(data: unknown, path: readonly string[]): Record<string, unknown> | undefined {
  let found: unknown = data;
  for (const key of path) found = isMap(found) ? found[key] : undefined;
  return isMap(found) ? found : undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A number or a word like `no` is meant as it is written. */
function scalarAt(source: YamlSource, path: readonly string[], value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value !== 'object') return source.written(path) ?? String(value);
  throw wrongIn(hidden(source.locate(path, 'key')), `${path.at(-1)} is no text`, `write ${path.at(-1)}: VALUE`);
}

/** A place without what stands there: it may be a password, whatever its line says. */
function hidden(at: SourceLocation): SourceLocation {
  return { ...at, text: '', column: 1, length: 1 };
}
