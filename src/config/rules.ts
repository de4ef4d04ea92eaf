import type { Failure } from '../failure.ts';
import { formatReference, normalReference, parseReference } from '../oci/reference.ts';
import { didYouMean } from './did-you-mean.ts';
import { debRules } from './deb-rules.ts';
import { wrongAt } from './issues.ts';
import type { LayerSketch } from './sketch.ts';
import type { YamlSource } from './yaml-source.ts';

/** The rules that join parts of the file: images, bases, needs, and the layers that packages name. */
export function joinedRules(layers: LayerSketch[], source: YamlSource, file: string): Failure[] {
  const names = layers.map((layer) => layer.name);
  // Of a tree that is included, and of a build file, the names are not known yet.
  const whole =
    Object.keys(mapAt(source.data, 'include')).length === 0 && layers.every(({ envd }) => envd === undefined);
  return [
    ...imageRules(layers, source, file),
    ...envdRules(layers, source, file),
    ...aliasRules(names, source, file),
    ...needRules(layers, whole ? names : undefined, source, file),
    // Where no layer could be read, another error says so.
    ...(names.length === 0 || !whole ? [] : serviceRules(names, source, file)),
    ...debRules(mapAt(source.data, 'debs'), source, file),
  ];
}

function imageRules(layers: LayerSketch[], source: YamlSource, file: string): Failure[] {
  const failures: Failure[] = [];
  const taken = new Map<string, string>();
  for (const { name, image, unnamed } of layers) {
    if (unnamed) {
      const at = source.locate(['layers', name], 'key');
      failures.push(wrongAt(file, at, unnamed.message, 'write image: NAME for this layer'));
    }
    if (!image) continue;
    const reference = formatReference(parseReference(image.text));
    const other = taken.get(reference);
    taken.set(reference, other ?? name);
    if (other === undefined) continue;
    const because = `layers ${other} and ${name} have one image, ${image.text}`;
    const at = source.locate(['layers', name, 'image']);
    failures.push(wrongAt(file, at, because, 'give one of them another name or tag'));
  }
  for (const base of Object.keys(mapAt(source.data, 'bases'))) {
    const reference = normalReference(base);
    const layer = reference === undefined ? undefined : taken.get(reference);
    if (layer === undefined) continue;
    const because = `${base} is the image of layer ${layer}: it is built here, not taken from elsewhere`;
    failures.push(wrongAt(file, source.locate(['bases', base], 'key'), because, 'remove it, or rename the image'));
  }
  return failures;
}

/** A name means one layer. */
function aliasRules(names: string[], source: YamlSource, file: string): Failure[] {
  const taken = new Map(names.map((name) => [name, name]));
  return names.flatMap((name) => {
    const { aliases } = mapAt(mapAt(source.data, 'layers'), name);
    return (Array.isArray(aliases) ? aliases : []).flatMap((alias, index) => {
      const other = typeof alias === 'string' ? taken.get(alias) : undefined;
      if (typeof alias === 'string') taken.set(alias, other ?? name);
      if (other === undefined) return [];
      const at = source.locate(['layers', name, 'aliases', index]);
      return [wrongAt(file, at, `${alias} means layer ${other} already`, 'take one of the two away')];
    });
  });
}

/** What makes no sense together with a build file, and without one. */
function envdRules(layers: LayerSketch[], source: YamlSource, file: string): Failure[] {
  return layers.flatMap(({ name }) => {
    const raw = mapAt(mapAt(source.data, 'layers'), name);
    const made = raw.envd !== undefined;
    const other = made ? ['dockerfile', 'target'] : ['order'];
    return other.flatMap((key) => {
      if (raw[key] === undefined) return [];
      const at = source.locate(['layers', name, key], 'key');
      const because = made ? `a layer that is made from a build file has no ${key}` : `${key} is for layers with envd`;
      return [wrongAt(file, at, because, made ? 'remove it, or remove envd' : 'remove it, or write envd: build.envd')];
    });
  });
}

function needRules(layers: LayerSketch[], names: string[] | undefined, source: YamlSource, file: string): Failure[] {
  const failures = layers.flatMap((layer) =>
    layer.needs.flatMap((need, index) =>
      names === undefined || names.includes(need)
        ? []
        : [noSuchLayer(need, names, ['layers', layer.name, 'needs', index], source, file)],
    ),
  );
  for (const cycle of cyclesOf(layers)) {
    const [first, second] = cycle as [string, string];
    const index = layers.find((layer) => layer.name === first)!.needs.indexOf(second);
    const alone = cycle.length === 2;
    failures.push(
      wrongAt(
        file,
        source.locate(['layers', first, 'needs', index]),
        alone ? `layer ${first} needs itself` : `the layers need each other: ${cycle.join(' → ')}`,
        alone ? 'remove it' : 'take one of these needs away',
      ),
    );
  }
  return failures;
}

function serviceRules(names: string[], source: YamlSource, file: string): Failure[] {
  return Object.entries(mapAt(source.data, 'debs')).flatMap(([deb, value]) => {
    const service: unknown =
      typeof value === 'object' && value !== null && 'service' in value ? value.service : undefined;
    if (typeof service !== 'string' || names.includes(service)) return [];
    return [noSuchLayer(service, names, ['debs', deb, 'service'], source, file)];
  });
}

function noSuchLayer(name: string, names: string[], path: (string | number)[], source: YamlSource, file: string) {
  const near = didYouMean(name, names);
  const fix = near === undefined ? `write one of ${names.join(', ')}` : `did you mean ${near}?`;
  return wrongAt(file, source.locate(path), `there is no layer ${JSON.stringify(name)}`, fix);
}

/** Each cycle once, as names from one layer back to itself. */
function cyclesOf(layers: LayerSketch[]): string[][] {
  const needs = new Map(layers.map((layer) => [layer.name, layer.needs]));
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (name: string, path: string[]) => {
    const start = path.indexOf(name);
    if (start >= 0) {
      cycles.push([...path.slice(start), name]);
      return;
    }
    if (done.has(name)) return;
    for (const need of needs.get(name) ?? []) visit(need, [...path, name]);
    done.add(name);
  };
  for (const name of needs.keys()) visit(name, []);
  return cycles;
}

function mapAt(data: unknown, name: string): Record<string, unknown> {
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[name] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
