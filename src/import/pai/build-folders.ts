import { posix } from 'node:path';
import type { Failure, SourceLocation } from '../../failure.ts';
import type { Disk } from '../disk.ts';
import { hookOf, type DeclaredHook } from './hooks.ts';
import { placeIn, wrongIn } from '../place.ts';
import { checkedName, imagesOf, type PaiProject } from './read.ts';

interface Image {
  name: string;
  component: string;
  /** Relative to the root. */
  dockerfile: string;
  text: string;
}

interface Folders {
  /** The folder of the components. */
  src: string;
  components: readonly string[];
  hooks: Readonly<Record<string, DeclaredHook>>;
}

/** Components with a folder `build`: X.common.dockerfile and X.k8s.dockerfile are image X. */
export function readBuildFolders(project: PaiProject, disk: Disk, { src, components, hooks }: Folders): void {
  const images = components.flatMap((component) => imagesIn(project, disk, src, component));
  const makers = new Map<string, Image>();
  for (const image of images) {
    const other = makers.get(image.name);
    makers.set(image.name, other ?? image);
    if (!other) continue;
    const because = `${image.component} and ${other.component} both make an image ${image.name}`;
    project.failures.push(wrongIn(placeIn(image.dockerfile, image.text), because, 'rename one of the Dockerfiles'));
  }
  for (const component of components) {
    const own = images.filter((image) => image.component === component);
    if (own.length === 0) continue;
    const failures: Failure[] = [];
    const folder = posix.join(src, component);
    const edges = edgesOf(disk, src, component, own, makers, images, failures);
    const hook = hookOf(disk, folder, hooks[component], project.advice, failures);
    project.failures.push(...failures);
    if (failures.length > 0) continue;
    const needs = edges.flatMap(({ component: dep, declared, at }) =>
      declared ? images.filter((each) => each.component === dep).map(({ name }) => ({ name, at })) : [],
    );
    const places: Record<string, SourceLocation> = {};
    for (const [index, { at }] of edges.entries()) {
      places[`copy.${index}.src`] = at;
      places[`copy.${index}.dst`] = at;
    }
    for (const [index, { at }] of needs.entries()) places[`needs.${index}`] = at;
    if (hook) places['prepare'] = hook.at;
    const copy = edges.map(({ component: dep }) => ({ src: posix.join(src, dep), dst: `dependency/${dep}` }));
    const others = {
      ...(needs.length > 0 ? { needs: [...new Set(needs.map(({ name }) => name))] } : {}),
      ...(copy.length > 0 ? { copy } : {}),
      ...(hook ? { prepare: hook.prepare } : {}),
    };
    for (const { name, dockerfile, text } of own) {
      project.layers.push({
        name,
        context: folder,
        dockerfile,
        image: name,
        others,
        comments: [
          dockerfile,
          ...edges.map(({ component: dep, at }) => `${at.file}:${at.line} needs ${dep}`),
          ...(hook ? [`${hook.at.file} runs before`] : []),
        ],
        at: placeIn(dockerfile, text),
        places,
      });
    }
  }
  for (const [component] of Object.entries(hooks)) {
    if (images.some((image) => image.component === component)) continue;
    const at = { file: posix.join(src, component), line: 1, column: 1, length: 1, text: '' };
    project.failures.push(
      wrongIn(at, `there is no component ${component} that has hooks`, `mend hooks: in imgbuild.yaml`),
    );
  }
}

function imagesIn(project: PaiProject, disk: Disk, src: string, component: string): Image[] {
  const folder = posix.join(src, component, 'build');
  return disk.files(folder).flatMap((file): Image[] => {
    if (!file.endsWith('.dockerfile')) return [];
    const dockerfile = posix.join(folder, file);
    const text = disk.text(dockerfile)!;
    const at = placeIn(dockerfile, text);
    const [, base, type] = /^(.+)\.([^.]+)\.dockerfile$/.exec(file) ?? [];
    if (base === undefined || !['common', 'k8s'].includes(type!)) {
      const what = type === undefined ? 'neither common nor k8s' : `for ${type}`;
      project.advice.push({ at, text: `left out: it is ${what}` });
      return [];
    }
    const name = checkedName(base, at, dockerfile, project.failures);
    return name === undefined ? [] : [{ name, component, dockerfile, text }];
  });
}

/** A component whose folder is copied into this one's, and that is built first. */
interface ComponentEdge {
  component: string;
  /** By component.dep, not by a FROM. */
  declared: boolean;
  at: SourceLocation;
}

function edgesOf(
  disk: Disk,
  src: string,
  component: string,
  own: readonly Image[],
  makers: ReadonlyMap<string, Image>,
  images: readonly Image[],
  failures: Failure[],
): ComponentEdge[] {
  const edges = new Map<string, ComponentEdge>();
  for (const { dockerfile, text } of own) {
    for (const { image, line } of imagesOf(text)) {
      const of = makers.get(image)?.component;
      if (of === undefined || of === component || edges.has(of)) continue;
      edges.set(of, { component: of, declared: false, at: placeIn(dockerfile, text, line) });
    }
  }
  const file = posix.join(src, component, 'build/component.dep');
  const lines = disk.text(file);
  for (const [index, line] of (lines ?? '').split('\n').entries()) {
    const dep = line.trim();
    if (dep === '') continue;
    const at = placeIn(file, lines!, index + 1);
    if (dep === component) {
      failures.push(wrongIn(at, `${component} depends on itself`, 'take the line away'));
    } else if (!images.some((image) => image.component === dep)) {
      failures.push(wrongIn(at, `there is no component ${dep} that makes an image`, `name a folder of ${src}`));
    } else if (edges.get(dep)?.declared !== true) {
      edges.set(dep, { component: dep, declared: true, at });
    }
  }
  return [...edges.values()];
}
