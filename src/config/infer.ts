import { posix } from 'node:path';
import { formatReference, parseReference } from '../oci/reference.ts';
import { parseImage } from './image.ts';

/** A Dockerfile of the repository, as far as `init` needs to know it. Paths are relative to the root. */
export interface FoundDockerfile {
  path: string;
  /** Folder that has everything it copies. */
  context: string;
  /** References of images from outside the file, variables expanded by their defaults. */
  images: string[];
  /** Why it could not be understood. */
  trouble?: string;
}

export interface InferredLayer {
  name: string;
  context: string;
  /** Given where it is not the context's Dockerfile. */
  dockerfile?: string;
  image: string;
  /** Layers that it is built on. */
  parents: string[];
  /** Images that no Dockerfile here makes. */
  outside: string[];
  trouble?: string;
}

/** Names that mean the image everyone knows, whatever a folder is called. */
const wellKnown = new Set(
  'alpine amazonlinux archlinux bash busybox caddy centos clojure composer couchdb debian docker eclipse-temurin elixir erlang fedora gcc golang gradle haproxy haskell httpd influxdb julia kong mariadb maven memcached mongo mysql nats nginx node openjdk oraclelinux perl php postgres pypy python r-base rabbitmq redis registry rockylinux ros ruby rust swift tomcat traefik ubuntu'.split(
    ' ',
  ),
);

/** The chain that some Dockerfiles make: which image each is, by what the FROMs of the others say. Parents first. */
export function inferLayers(found: readonly FoundDockerfile[], project: string): InferredLayer[] {
  const names = layerNames(
    found.map(({ path }) => path),
    project,
  );
  const layers = found.map((dockerfile, index) => ({ ...dockerfile, name: names[index]! }));
  const makers = new Map<string, number>();
  const claimed = new Set<number>();
  const edges = layers.map(() => new Set<number>());
  const matches = [...new Set(layers.flatMap(({ images }) => images))].flatMap((image) =>
    layers.map(({ name }, index) => ({ image, index, score: likeness(image, name) })).filter(({ score }) => score > 0),
  );
  for (const { image, index } of matches.toSorted((a, b) => b.score - a.score || a.image.localeCompare(b.image))) {
    if (makers.has(image) || claimed.has(index)) continue;
    const users = layers.flatMap((layer, user) => (layer.images.includes(image) ? [user] : []));
    if (users.some((user) => reaches(edges, index, user))) continue;
    makers.set(image, index);
    claimed.add(index);
    for (const user of users) edges[user]!.add(index);
  }
  const images = new Map([...makers].map(([image, index]) => [index, image]));
  return parentsFirst(edges).map((index) => {
    const { name, path, context, trouble, images: used } = layers[index]!;
    return {
      name,
      context,
      ...(path === posix.join(context, 'Dockerfile') ? {} : { dockerfile: path }),
      image: images.get(index) ?? name,
      parents: [...edges[index]!].map((parent) => layers[parent]!.name),
      outside: used.filter((image) => !makers.has(image)),
      ...(trouble === undefined ? {} : { trouble }),
    };
  });
}

/** Folder, or what stands before or after `Dockerfile` in the name; with more of the path where two would be one. */
function layerNames(paths: readonly string[], project: string): string[] {
  const parts = paths.map((path) => {
    const folder = posix.dirname(path);
    const own = posix
      .basename(path)
      .replace(/^dockerfile\.?/i, '')
      .replace(/\.dockerfile$/i, '');
    const folders = folder === '.' ? [] : folder.split('/');
    return [...folders, own].map(nameFrom).filter((part) => part !== '');
  });
  const names: string[] = [];
  for (const [index, part] of parts.entries()) {
    let name = '';
    for (let length = 1; length <= Math.max(1, part.length); length++) {
      name = part.slice(-length).join('-') || project;
      const others = parts.filter((_, other) => other !== index);
      if (!others.some((other) => other.slice(-length).join('-') === name) && !names.includes(name)) break;
    }
    const base = isImageName(name) ? name : `${name}-image`;
    let unique = base;
    for (let number = 2; names.includes(unique); number++) unique = `${base}-${number}`;
    names.push(unique);
  }
  return names;
}

/** A part of a path as a name of a layer; empty when nothing of it is left. */
export function nameFrom(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/([._-])[._-]+/g, '$1')
    .replace(/^[^a-z]+/, '')
    .replace(/[^a-z0-9]+$/, '');
  return name.slice(0, 64).replace(/[^a-z0-9]+$/, '');
}

function isImageName(name: string): boolean {
  try {
    parseImage(name);
    return true;
  } catch {
    return false;
  }
}

/** 0: surely another image. `service_runtime_base:1` is like `base`, `base` more so. */
function likeness(image: string, name: string): number {
  try {
    parseImage(image);
    const repository = formatReference(parseReference(image))
      .replace(/:[^/]*$/, '')
      .split('/')
      .at(-1)!;
    const plain = repository.replaceAll(/[._-]+/g, '-');
    const wanted = name.replaceAll(/[._-]+/g, '-');
    if (plain === wanted) return wellKnown.has(repository) && !image.includes('/') ? 0 : 1000;
    if (wellKnown.has(repository)) return 0;
    if (plain.endsWith(`-${wanted}`) || wanted.endsWith(`-${plain}`)) return Math.min(plain.length, wanted.length);
    return 0;
  } catch {
    return 0;
  }
}

function reaches(edges: readonly Set<number>[], from: number, to: number): boolean {
  if (from === to) return true;
  return [...edges[from]!].some((next) => reaches(edges, next, to));
}

function parentsFirst(edges: readonly Set<number>[]): number[] {
  const order: number[] = [];
  const visit = (index: number) => {
    if (order.includes(index)) return;
    for (const parent of edges[index]!) visit(parent);
    order.push(index);
  };
  for (const index of edges.keys()) visit(index);
  return order;
}

/** A commented imgbuild.yaml. */
export function writeConfig(project: string, layers: readonly InferredLayer[]): string {
  const lines = [
    '# What imgbuild builds, saves and releases. Every key: docs/configuration.md of imgbuild.',
    'version: 1',
    '# Names deltas, and the folder on devices.',
    `name: ${project}`,
    '',
    '# Where built images are kept. A folder is yours alone; a registry is shared by all who may read it.',
    '# store: ghcr.io/OWNER/REPOSITORY',
    '',
    '# Build args; each reaches only the layers whose Dockerfile declares it.',
    '# args: { HTTP_PORT: "8080" }',
    '',
    '# One image each. The chain is read from the FROM lines: a FROM that names an image below is an edge.',
    'layers:',
  ];
  for (const { name, context, dockerfile, image, parents, outside, trouble } of layers) {
    const built = parents.length === 0 ? '' : `on ${parents.join(', ')}`;
    const from = outside.length === 0 ? '' : `from outside: ${outside.join(', ')}`;
    const comment = [built, from].filter(Boolean).join('; ');
    if (comment !== '') lines.push(`  # ${oneLine(comment)}`);
    if (trouble !== undefined) lines.push(`  # Not understood: ${oneLine(trouble)}`);
    lines.push(`  ${name}:`, `    context: ${scalar(context)}`);
    if (dockerfile !== undefined) lines.push(`    dockerfile: ${scalar(dockerfile)}`);
    lines.push(`    image: ${scalar(image)}`);
  }
  lines.push(
    '',
    '# A base that is in no registry, as an OCI image layout:',
    '# bases: { "debian:12": oci:./bases/debian }',
    '',
  );
  return lines.join('\n');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

/** Plain where YAML reads it as the same text, else in double quotes. */
function scalar(text: string): string {
  const plain = /^[A-Za-z./][A-Za-z0-9_./-]*(:[A-Za-z0-9_.-]+)?$/.test(text);
  const word = /^(true|false|null|yes|no|on|off|y|n|~|\.+|\.(inf|nan))$/i.test(text) && text !== '.';
  return plain && !word ? text : JSON.stringify(text);
}
