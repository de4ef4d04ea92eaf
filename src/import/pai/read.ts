import { posix } from 'node:path';
import type { Failure, SourceLocation } from '../../failure.ts';
import { nameFrom } from '../../config/infer.ts';
import type { ForeignLayer, ForeignProject } from '../foreign-tree.ts';
import { expectsInto, resolveCopies, type CopyReading } from './copy-list.ts';
import type { Disk } from '../disk.ts';
import type { DeclaredHook } from './hooks.ts';
import { parseImageYaml, type ImageYaml } from './image-yaml.ts';
import { wrongIn } from '../place.ts';
import { readBuildFolders } from './build-folders.ts';

export interface PaiOptions {
  /** Components that are left out. */
  skip: readonly string[];
  /** Where absent, what the Dockerfiles expect. */
  copy?: CopyReading | undefined;
  /** By component. */
  hooks: Readonly<Record<string, DeclaredHook>>;
}

/** What was read so far; in the order of the components. */
export interface PaiProject extends ForeignProject {
  /** How copy-lists are read, and why; absent where no entry depends on it. */
  reading?: { reading: CopyReading; why: string };
}

export const emptyProject = (): PaiProject => ({ layers: [], files: [], advice: [], failures: [], direct: [] });

/** An image's name as Docker takes it: also the folder's. */
const imageName = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;

export function checkedName(text: string, at: SourceLocation, what: string, failures: Failure[]): string | undefined {
  const name = nameFrom(text);
  if (imageName.test(text) && name === text) return name;
  const because = `${JSON.stringify(text)} is no name of an image: Docker takes small letters and digits, with one of - _ . between them`;
  failures.push(wrongIn(at, because, `rename ${what}${name === '' ? '' : ` to ${name}`}`));
  return undefined;
}

/** The components below `path`/src, of both forms. `path` is relative to the root. */
export function readPai(disk: Disk, path: string, options: PaiOptions): PaiProject {
  const src = posix.join(path, 'src');
  const components = disk.folders(src).filter((name) => !options.skip.includes(name));
  const project = emptyProject();
  const lists = components.flatMap((name) => {
    const file = posix.join(src, name, 'image.yaml');
    const text = disk.text(file);
    return text === undefined ? [] : [{ name, image: parseImageYaml(text, file, `src/${name}`) }];
  });
  readImageYamls(project, disk, { path, lists, copy: options.copy });
  readBuildFolders(project, disk, { src, components, hooks: options.hooks });
  project.layers = parentsFirst(project.layers.map(withoutMissing(project.layers)), disk);
  return project;
}

/** A layer need not wait for one that could not be translated: that is told already. */
function withoutMissing(layers: readonly ForeignLayer[]): (layer: ForeignLayer) => ForeignLayer {
  const names = new Set(layers.map(({ name }) => name));
  return (layer) => {
    const { needs, ...others } = layer.others;
    const left = ((needs ?? []) as string[]).filter((name) => names.has(name));
    return { ...layer, others: { ...(left.length > 0 ? { needs: left } : {}), ...others } };
  };
}

interface Lists {
  path: string;
  lists: { name: string; image: ImageYaml }[];
  copy: CopyReading | undefined;
}

function readImageYamls(project: PaiProject, disk: Disk, { path, lists, copy }: Lists): void {
  const dockerfiles = new Map(lists.map(({ name }) => [name, dockerfileOf(disk, posix.join(path, 'src', name))]));
  const where = (name: string) => ({ disk, cwd: path, component: posix.join(path, 'src', name) });
  const plain = lists.map(({ name, image }) => ({
    name,
    copies: resolveCopies(image.copies, { ...where(name), reading: 'cp' }).copies,
  }));
  const found = readingOf(disk, path, plain, (name) => dockerfiles.get(name)?.text ?? '');
  const reading = copy ?? found.reading;
  if (plain.some(({ copies }) => copies.some(({ depends }) => depends))) {
    project.reading = { reading, why: copy === undefined ? found.why : 'imgbuild.yaml says so' };
  }
  const known = new Set(lists.map(({ name }) => name));
  for (const { name: component, image } of lists) {
    const own: Failure[] = [...image.failures];
    const folder = posix.join(path, 'src', component);
    const name = checkedName(component, image.at, `the folder ${folder}`, own);
    const dockerfile = dockerfiles.get(component);
    for (const { text, at } of image.templates) {
      const made = `${folder}/${text}`;
      if (disk.kind(made)) {
        project.advice.push({ at, text: `${made} is used as it is: ${text}.template is not rendered` });
        continue;
      }
      const fix = `render ${text}.template once with your cluster's configuration, commit it as ${made}, and take it off the list; values that differ by cluster are build args`;
      own.push(wrongIn(at, `${made} is made from ${text}.template, which imgbuild does not render`, fix));
    }
    const asTemplate = image.templates.some(({ text }) => /^dockerfile$/i.test(text));
    if (!dockerfile && !asTemplate) {
      own.push(wrongIn(image.at, `there is no Dockerfile in ${folder}`, `make ${folder}/dockerfile`));
    }
    const { prerequisite } = image;
    const needs: Record<string, unknown> = {};
    if (prerequisite && !known.has(prerequisite.text)) {
      const fix = 'name a component that has an image.yaml, or take the line away';
      own.push(wrongIn(prerequisite.at, `there is no component ${prerequisite.text}`, fix));
    } else if (prerequisite) {
      needs['needs'] = [prerequisite.text];
      const text = `prerequisite ${prerequisite.text}: FROM says as much; needs: keeps the order`;
      project.advice.push({ at: prerequisite.at, text });
    }
    const { copies, failures } = resolveCopies(image.copies, { ...where(component), reading });
    own.push(...failures);
    project.failures.push(...own);
    if (own.length > 0 || !dockerfile || name === undefined) continue;
    const places: Record<string, SourceLocation> = {};
    for (const [index, { entry }] of copies.entries()) {
      places[`copy.${index}.src`] = entry.src.at;
      places[`copy.${index}.dst`] = entry.dst.at;
    }
    if (prerequisite) places['needs.0'] = prerequisite.at;
    const comments = copies.map(
      ({ entry: { src, dst } }) => `${src.at.file}:${src.at.line} cp -r ${src.text} ${dst.text}`,
    );
    project.layers.push({
      name,
      context: folder,
      dockerfile: dockerfile.path,
      image: name,
      others: {
        ...needs,
        ...(copies.length > 0 ? { copy: copies.map((each) => ({ src: each.src, dst: each.dst, merge: true })) } : {}),
      },
      comments: comments.length > 0 ? comments : [`${image.at.file}`],
      at: image.at,
      places,
    });
  }
}

/** As docker looks for it. */
function dockerfileOf(disk: Disk, folder: string): { path: string; text: string } | undefined {
  for (const name of ['Dockerfile', 'dockerfile']) {
    const path = posix.join(folder, name);
    const text = disk.kind(path) === 'file' ? disk.text(path) : undefined;
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/** One reading for the tree: it was written for one paictl.py. */
function readingOf(
  disk: Disk,
  path: string,
  lists: readonly { name: string; copies: Parameters<typeof expectsInto>[1] }[],
  dockerfile: (name: string) => string,
): { reading: CopyReading; why: string } {
  const script = posix.join(path, 'paiLibrary/common/directory_handler.py');
  if (disk.text(script)?.includes('mkdir -p')) return { reading: 'into', why: `${script} makes dst first` };
  const one = lists.find(({ name, copies }) => expectsInto(dockerfile(name), copies, disk));
  if (one) return { reading: 'into', why: `the Dockerfile of ${one.name} takes it from there` };
  return { reading: 'cp', why: 'no Dockerfile of the tree expects another' };
}

/** By what the FROMs and `needs` name; the chain itself is read from the Dockerfiles later. */
function parentsFirst(layers: readonly ForeignLayer[], disk: Disk): ForeignLayer[] {
  const byImage = new Map(layers.map((layer) => [layer.image, layer]));
  const order = new Set<ForeignLayer>();
  const visiting = new Set<ForeignLayer>();
  const visit = (layer: ForeignLayer) => {
    if (visiting.has(layer)) return;
    visiting.add(layer);
    for (const { image } of imagesOf(disk.text(layer.dockerfile) ?? '')) {
      const parent = byImage.get(image);
      if (parent) visit(parent);
    }
    const needs = (layer.others['needs'] ?? []) as string[];
    for (const name of needs) if (byImage.has(name)) visit(byImage.get(name)!);
    order.add(layer);
  };
  for (const layer of layers) visit(layer);
  return [...order];
}

/** The images that FROM lines name, with their lines. */
export function imagesOf(dockerfile: string): { image: string; line: number }[] {
  return dockerfile.split('\n').flatMap((text, index) => {
    const image = /^\s*FROM\s+(?:--\S+\s+)*(\S+)/i.exec(text)?.[1];
    return image === undefined ? [] : [{ image: image.replace(/:latest$/, ''), line: index + 1 }];
  });
}
