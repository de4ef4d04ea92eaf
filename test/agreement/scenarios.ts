import { createHash } from 'node:crypto';
import type { Input } from '../../src/plan/input.ts';
import type { Edit } from './edits.ts';
import { imageReference, outsideReference, type World } from './world.ts';

/** A world and one edit in it that BuildKit answers with another image. */
export interface Scenario {
  /** `address`: of an HTTP server that answers every path with the path. */
  app: (world: World, address: string) => string[];
  base?: string[];
  edit: Edit;
}

const onBase = (world: World) => `FROM ${imageReference(world, 'base')}`;
const setApp = (world: World, change: (texts: string[]) => string[]) => {
  const texts = world.dockerfiles.app.map(({ text }) => text);
  world.dockerfiles.app = change(texts).map((text) => ({ text, tags: [] }));
  return true;
};
const setFile = (world: World, name: string, content: string) => {
  world.files.set(name, { kind: 'file', content, mode: 0o644 });
  return true;
};

/** For each kind of input an edit of which it alone tells: without it, the fingerprint would stay. */
export const told: Partial<Record<Input['kind'], Scenario>> = {
  instruction: {
    app: (world) => [onBase(world), 'RUN : one'],
    edit: (world) => setApp(world, ([from]) => [from!, 'RUN : two']),
  },
  directive: {
    app: (world) => [onBase(world), 'ENV WHERE=a\\b', 'RUN : $WHERE'],
    edit: (world) => setApp(world, (texts) => ['# escape=`', ...texts]),
  },
  arg: {
    app: (world) => [onBase(world), 'ARG JOBS=1', 'RUN : $JOBS'],
    edit: (world) => {
      world.args['JOBS'] = '2';
      return true;
    },
  },
  file: {
    app: (world) => [onBase(world), 'COPY src /src'],
    edit: (world) => setFile(world, 'app/src/a', 'two'),
  },
  base: {
    app: (world) => [`FROM ${outsideReference(world)}`, 'RUN : app'],
    edit: (world) => {
      world.outside = 'b';
      return true;
    },
  },
  parent: {
    app: (world) => [onBase(world), 'RUN : app'],
    edit: (world) => setFile(world, 'base/files/one.txt', 'two'),
  },
  // The trigger's `1` is another stage when one that nobody needs comes first; nothing else says so.
  onbuild: {
    base: ['ONBUILD COPY --from=1 /who /triggered'],
    app: (world) => [
      `FROM ${outsideReference(world)} AS one`,
      'RUN echo one >/who',
      `FROM ${outsideReference(world)} AS two`,
      'RUN echo two >/who',
      onBase(world),
      'COPY --from=one /who /one',
      'COPY --from=two /who /two',
    ],
    edit: (world) => setApp(world, (texts) => ['FROM scratch AS nobody', ...texts]),
  },
  platform: {
    app: () => ['FROM scratch', 'COPY src /src'],
    edit: (world) => {
      world.platform = 'linux/arm64';
      return true;
    },
  },
  label: {
    app: (world) => [onBase(world), 'RUN : app'],
    edit: (world) => {
      world.labels = { about: 'two' };
      return true;
    },
  },
};

/**
 * Kinds that tell again what the instructions tell, so that reasons can name it: either of the two is enough, both
 * left out are missed. A target is its stages' instructions; mounts and fetched sources stand in an instruction's text.
 */
export const doubled: Partial<Record<Input['kind'], Scenario>> = {
  target: {
    app: (world) => [`${onBase(world)} AS one`, 'RUN : one', 'FROM one AS two', 'RUN : two'],
    edit: (world) => {
      world.target = 'one';
      return true;
    },
  },
  mount: {
    app: (world) => [onBase(world), 'RUN --mount=type=tmpfs,target=/one : app'],
    edit: (world) => setApp(world, ([from]) => [from!, 'RUN --mount=type=tmpfs,target=/two : app']),
  },
  remote: {
    app: (world, address) => [onBase(world), fetching(`${address}/one`)],
    edit: (world) => setApp(world, ([from, add]) => [from!, fetching(/http:\S+\//.exec(add!)![0] + 'two')]),
  },
};

/** ADD of a URL with its checksum; the file's content is the URL's path. */
function fetching(url: string): string {
  const checksum = createHash('sha256').update(new URL(url).pathname).digest('hex');
  return `ADD --checksum=sha256:${checksum} ${url} /fetched`;
}

/** Kinds that BuildKit knows nothing of; other tests show what they do. */
export const beyondBuildKit: Partial<Record<Input['kind'], string>> = {
  epoch: "the date of `refresh:` asks for a build that BuildKit's cache would not make",
  package: 'what a step fetches, which BuildKit does not look at',
  prepare: 'scripts that run before it does',
  'prepare-file': 'what these scripts read',
  tool: 'the version of the list of inputs',
};

export function scenarioWorld(scenario: Scenario, id: string, address: string): World {
  const world: World = {
    id,
    files: new Map(),
    dockerfiles: { base: [], app: [] },
    ignore: [],
    ownIgnore: undefined,
    args: {},
    target: undefined,
    copy: [],
    labels: {},
    platform: undefined,
    outside: 'a',
  };
  setFile(world, 'base/files/one.txt', `${id} one`);
  setFile(world, 'app/src/a', `${id} one`);
  const base = [`FROM ${outsideReference(world)}`, `RUN : base ${id}`, 'COPY files /files', ...(scenario.base ?? [])];
  world.dockerfiles.base = base.map((text) => ({ text, tags: [] }));
  setApp(world, () => scenario.app(world, address));
  return world;
}
