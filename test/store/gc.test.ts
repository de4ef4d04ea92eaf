import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { decideGc, grace, type GcPolicy } from '../../src/store/gc.ts';
import type { Inventory, StoredItem } from '../../src/store/inventory.ts';
import { savedLayers } from '../../src/store/list.ts';

const now = new Date('2026-11-21T12:00:00Z');
const policy: GcPolicy = { keep: 1, now, grace };
const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 60 * 60 * 1000);

interface Made {
  name: string;
  days: number;
  parents?: Record<string, string>;
  tags?: string[];
  repository?: string;
  layer?: string;
}

const part = (text: string, size: number) => ({ mediaType: mediaType.layerTar, digest: digestOf(text), size });
const imageOf = (name: string): Digest => digestOf(`image ${name}`);

function items({
  name,
  days,
  parents = {},
  tags = [],
  repository = 'service',
  layer = repository,
}: Made): StoredItem[] {
  const fingerprint = hexOf(digestOf(`fingerprint ${name}`));
  const image = { mediaType: mediaType.manifest, digest: imageOf(name), size: 100 };
  const inputs = part(`list ${name}`, 10);
  const record = {
    layer,
    platform: 'linux/amd64',
    fingerprint,
    image,
    parents: Object.fromEntries(Object.entries(parents).map(([key, parent]) => [key, imageOf(parent)])),
    inputs,
    savedAt: daysAgo(days),
  };
  const own: StoredItem = {
    repository,
    digest: image.digest,
    tags: [`fp-${fingerprint}`, ...tags],
    parts: [image, part('shared', 1000), part(`own ${name}`, 500)],
    kind: 'image',
  };
  const digest = digestOf(`artifact ${name}`);
  const manifest = { mediaType: mediaType.manifest, digest, size: 50 };
  return [
    own,
    { repository, digest, tags: [`inputs-${fingerprint}`], parts: [manifest, inputs], kind: 'inputs', record },
  ];
}

function inventoryOf(made: Made[]): Inventory {
  return { store: 'test', repositories: ['service'], items: made.flatMap(items), broken: [] };
}

const removed = (made: Made[], needed: string[] = [], changed: Partial<GcPolicy> = {}) => {
  const releases = [{ version: '1.0.0', digests: new Set<string>(needed.map(imageOf)) }];
  return decideGc(inventoryOf(made), releases, { ...policy, ...changed });
};
const names = (decision: ReturnType<typeof removed>, made: Made[]) =>
  made.filter(({ name }) => decision.remove.some(({ digest }) => digest === imageOf(name))).map(({ name }) => name);

describe('store gc', () => {
  it('keeps the newest, and removes the others with their input manifests', () => {
    const made: Made[] = [
      { name: 'old', days: 9 },
      { name: 'older', days: 10 },
      { name: 'new', days: 2 },
    ];
    const decision = removed(made);
    expect(names(decision, made)).toEqual(['old', 'older']);
    expect(decision.removals.map(({ kind }) => kind)).toEqual(['layer', 'layer', 'inputs', 'inputs']);
    // What the newest shares with them stays.
    expect(decision.bytes).toBe(2 * (100 + 500 + 50 + 10));
  });

  it('keeps what a release needs, and the parents that it was built on', () => {
    const made: Made[] = [
      { name: 'base', days: 90, repository: 'base' },
      { name: 'base now', days: 2, repository: 'base' },
      { name: 'engine', days: 80, repository: 'engine', parents: { base: 'base' } },
      { name: 'engine now', days: 2, repository: 'engine' },
      { name: 'released', days: 70, parents: { engine: 'engine' } },
      { name: 'between', days: 60 },
      { name: 'newest', days: 2 },
    ];
    expect(names(removed(made, ['released']), made)).toEqual(['between']);
    expect(names(removed(made), made)).toEqual(['base', 'engine', 'released', 'between']);
  });

  it('keeps what is younger than a day, what has a name and what has no age', () => {
    const made: Made[] = [
      { name: 'newest', days: 0.1 },
      { name: 'young', days: 0.9 },
      { name: 'named', days: 50, tags: ['1.2.0'] },
      { name: 'ageless', days: 50 },
      { name: 'garbage', days: 50 },
    ];
    const inventory = inventoryOf(made);
    const index = inventory.items.findIndex(({ record }) => record?.image.digest === imageOf('ageless'));
    delete inventory.items[index]!.record!.savedAt;
    const decision = decideGc(inventory, [], policy);
    expect(names(decision, made)).toEqual(['garbage']);
    expect(decision.keep.map(({ because }) => because).toSorted()).toEqual(['named', 'unknown-age', 'young', 'young']);
  });

  it('keeps the platforms of an index that has a name', () => {
    const made: Made[] = [
      { name: 'amd64', days: 50 },
      { name: 'newest', days: 2 },
    ];
    const inventory = inventoryOf(made);
    const index = { mediaType: mediaType.index, digest: digestOf('index'), size: 9 };
    const platform = { mediaType: mediaType.manifest, digest: imageOf('amd64'), size: 100 };
    inventory.items.push({
      repository: 'service',
      digest: index.digest,
      tags: ['1.0.0'],
      parts: [index, platform],
      kind: 'index',
    });
    expect(decideGc(inventory, [], policy).remove).toEqual([]);
  });

  it('a branch tag keeps nothing: it goes with its layer', () => {
    const inventory = inventoryOf([
      { name: 'old', days: 50 },
      { name: 'newest', days: 2 },
    ]);
    inventory.items[1]!.tags.push('last-gone-linux-amd64');
    const { removals } = decideGc(inventory, [], policy);
    expect(removals.flatMap(({ tags }) => tags)).toContain('last-gone-linux-amd64');
  });

  it('never removes what a kept thing needs, whatever the store holds', () => {
    const made = fc.array(
      fc.record({
        name: fc.integer({ min: 0, max: 30 }).map(String),
        days: fc.integer({ min: 0, max: 40 }),
        parent: fc.option(fc.integer({ min: 0, max: 30 }).map(String), { nil: undefined }),
        tag: fc.option(fc.constant('1.0.0'), { nil: undefined }),
        repository: fc.constantFrom('base', 'service'),
      }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(
        made,
        fc.array(fc.integer({ min: 0, max: 30 }).map(String)),
        fc.integer({ min: 0, max: 3 }),
        (many, needed, keep) => {
          const unique = [...new Map(many.map((each) => [each.name, each])).values()];
          const list = unique.map(({ parent, tag, ...rest }) => ({
            ...rest,
            ...(parent !== undefined && { parents: { base: parent } }),
            ...(tag !== undefined && { tags: [tag] }),
          }));
          const inventory = inventoryOf(list);
          const releases = [{ version: '1', digests: new Set<string>(needed.map(imageOf)) }];
          const decision = decideGc(inventory, releases, { ...policy, keep });
          const gone = new Set(decision.removals.map(({ digest }) => digest));
          const stays = savedLayers(inventory, releases).filter(({ digest }) => !gone.has(digest));
          for (const layer of stays) {
            for (const parent of Object.values(layer.parents)) expect(gone).not.toContain(parent);
            const artifact = inventory.items.find(({ record }) => record?.image.digest === layer.digest)!;
            expect(gone).not.toContain(artifact.digest);
          }
          for (const digest of gone) expect(needed.map(imageOf)).not.toContain(digest);
          for (const { tags } of decision.removals) expect(tags).not.toContain('1.0.0');
          for (const layer of decision.remove)
            expect(Date.parse(layer.savedAt!)).toBeLessThanOrEqual(now.getTime() - grace);
        },
      ),
    );
  });
});
