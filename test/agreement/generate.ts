import type { Random } from './random.ts';
import { imageReference, outsideReference, type Entry, type Line, type World } from './world.ts';

/** What an engine's own Dockerfile frontend knows; found by asking it. */
export interface Features {
  heredoc: boolean;
  exclude: boolean;
  link: boolean;
  parents: boolean;
}

const line = (text: string, ...tags: string[]): Line => ({ text, tags });

/** Groups of instructions that a stage can have, in any order. Some rest on files of `startFiles`. */
function blocks(features: Features, id: string): Line[][] {
  const all: (Line[] | false)[] = [
    [line('ENV CONF=one', 'env-path'), line('COPY conf/$CONF /conf/', 'copy')],
    [line('ENV CONF=two', 'env-path'), line('COPY "conf/${CONF:-one}/x.conf" /quoted', 'copy')],
    [line('COPY data/*.csv /data/', 'copy', 'wild')],
    [line('COPY conf/*/x.con? /flat/', 'copy', 'wild')],
    [line('COPY src /src', 'copy', 'dir')],
    [line('COPY ./src/ tools /both/', 'copy', 'dir')],
    [line('COPY ["src/with space.txt", "/json/"]', 'copy')],
    [line('ADD src/a.txt src/sub /added/', 'copy')],
    [line('COPY . /all', 'copy', 'whole')],
    [line('COPY src/[[]x].txt src/ünï.txt src/!x /odd/', 'copy')],
    [line('COPY link /link/', 'copy', 'followed')],
    [line('COPY link/x.conf lib/to-a /through/', 'copy', 'followed')],
    [line('COPY lib /lib2', 'copy', 'inner-links')],
    [line('ARG PART=a', 'arg', 'default'), line('COPY parts/$PART /part', 'copy')],
    [line('ARG JOBS=2', 'arg', 'default'), line('RUN : jobs $JOBS', 'run')],
    [line('ARG LATE=1', 'arg', 'default')],
    [line('RUN --mount=type=bind,source=tools,target=/tools cat /tools/*', 'run', 'bind')],
    [line('RUN --mount=type=bind,source=tools/gen.sh,target=/gen.sh cat /gen.sh', 'run', 'bind')],
    [line('RUN --mount=type=bind,rw,source=tools,target=/tools touch /tools/new', 'run', 'bind')],
    [line('RUN --mount=target=/ctx ls /ctx', 'run', 'bind', 'whole')],
    [line('RUN --mount=type=cache,id=one,target=/cache : cache', 'run', 'mount-id')],
    [line('RUN --mount=type=secret,id=one,target=/run/secrets/one : secret', 'run', 'mount-id')],
    [line('RUN --mount=type=tmpfs,target=/scratch/one : tmpfs', 'run', 'mount-id')],
    [line('WORKDIR /w/one', 'workdir'), line('COPY src/a.txt .', 'copy')],
    [line('LABEL about="one"', 'metadata')],
    [line('CMD ["one"]', 'metadata')],
    [line('EXPOSE 8080', 'metadata'), line('USER root', 'metadata')],
    [line(`COPY --from=outer${id}:1 /etc/outside /outer`, 'copy-image')],
    [line('COPY fromenv/$PLACE /place', 'copy')],
    features.heredoc && [line('COPY <<one <<-"two" /doc/\nhello one\none\n\t\thello $two\n\ttwo', 'heredoc')],
    features.heredoc && [line('RUN cat <<END >/shown\nFROM nothing\n# one\nCOPY a b\nEND', 'heredoc')],
    features.exclude && [line('COPY --exclude=*.md --exclude=sub src /excluded', 'copy', 'exclude')],
    features.exclude && [line('COPY --exclude=one/** conf /some', 'copy', 'exclude')],
    features.link && [line('COPY --link src/a.txt /linked', 'copy')],
    features.parents && [line('COPY --parents src/./sub/*.txt conf/*/x.conf /kept/', 'copy', 'parents')],
  ];
  return all.filter((block) => block !== false);
}

function startFiles(id: string): Map<string, Entry> {
  const file = (content: string, mode = 0o644): Entry => ({ kind: 'file', content: `${id} ${content}\n`, mode });
  const link = (target: string): Entry => ({ kind: 'link', target });
  return new Map<string, Entry>([
    ['base/files/one.txt', file('one')],
    ['base/files/run.sh', file('run', 0o755)],
    ['base/unused.txt', file('unused')],
    ['app/src/a.txt', file('a')],
    ['app/src/b.txt', file('b')],
    ['app/src/with space.txt', file('space')],
    ['app/src/[x].txt', file('brackets')],
    ['app/src/ünï.txt', file('letters')],
    ['app/src/!x', file('bang')],
    ['app/src/notes.md', file('notes')],
    ['app/src/built.o', file('built')],
    ['app/src/sub/c.txt', file('c')],
    ['app/src/hollow', { kind: 'folder', mode: 0o755 }],
    ['app/conf/one/x.conf', file('conf one')],
    ['app/conf/two/x.conf', file('conf two')],
    ['app/conf/two/y.conf', file('conf y')],
    ['app/tools/gen.sh', file('gen', 0o755)],
    ['app/tools/help.txt', file('help')],
    ['app/data/one.csv', file('csv one')],
    ['app/data/two.csv', file('csv two')],
    ['app/data/drop.log', file('log')],
    ['app/data/keep.log', file('keep')],
    ['app/parts/a', file('part a')],
    ['app/parts/b', file('part b')],
    ['app/fromenv/here/f', file('here')],
    ['app/fromenv/there/f', file('there')],
    ['app/lib/to-a', link('../src/a.txt')],
    ['app/lib/dangling', link('nowhere')],
    ['app/lib/plain', file('plain')],
    ['app/link', link('conf/one')],
    ['app/trigger/t', file('trigger')],
    ['app/debug/d', file('debug')],
    ['app/docs/readme.md', file('docs')],
    ['shared/s.txt', file('shared')],
  ]);
}

export function generateWorld(random: Random, features: Features, id: string): World {
  const world: World = {
    id,
    files: startFiles(id),
    dockerfiles: { base: [], app: [] },
    ignore: random.chance(0.8) ? ['# kept out', '*.o', '**/*.o', 'data/*.log', '!data/keep.log', 'ignored'] : [],
    ownIgnore: undefined,
    args: {},
    target: random.chance(0.3) ? random.pick(['final', 'debug']) : undefined,
    copy: random.chance(0.2) ? [{ src: 'shared', dst: 'src/shared' }] : [],
    labels: {},
    platform: undefined,
    outside: 'a',
  };
  world.dockerfiles.base = [
    line('# The base', 'comment'),
    line(`ARG FROM=${outsideReference(world)}`, 'global'),
    line('FROM $FROM'),
    line(`RUN : base ${id}`, 'run'),
    line('COPY files /opt/files', 'copy', 'dir'),
    ...(random.chance(0.5) ? [line('ARG LEVEL=0', 'arg', 'default'), line('RUN : level $LEVEL', 'run')] : []),
    line('ENV PLACE=here', 'env-path'),
    ...(random.chance(0.6) ? [line('ONBUILD COPY trigger /trigger', 'onbuild')] : []),
    ...(random.chance(0.3) ? [line('ONBUILD RUN : triggered', 'onbuild')] : []),
    line('CMD ["base"]', 'metadata'),
  ];

  const left = blocks(features, id);
  const choice = Array.from({ length: left.length }, () => left.splice(random.below(left.length), 1)[0]!);
  const take = (count: number) => choice.splice(0, count).flat();
  const sealed = random.chance(0.5);
  world.dockerfiles.app = [
    ...(random.chance(0.2) ? [line('# escape=`', 'directive')] : []),
    line(`ARG START=${imageReference(world, 'base')}`, 'global'),
    line('FROM $START AS build', 'from'),
    line(`RUN : build ${id}`, 'run'),
    ...take(4 + random.below(3)),
    line('FROM $START AS lint', 'from', 'other'),
    line('COPY docs /docs', 'copy', 'other'),
    ...(sealed
      ? [line('FROM scratch AS final', 'from'), line('COPY --from=build /opt /etc /srv/', 'copy-stage')]
      : [line('FROM build AS final', 'from')]),
    // Nothing can run in a stage that begins with nothing.
    ...take(3 + random.below(3)).filter((one) => !sealed || !one.text.startsWith('RUN')),
    line('LABEL stage=final', 'metadata'),
    line('FROM final AS debug', 'from', 'debug'),
    line('COPY debug /debug', 'copy', 'debug'),
  ];
  return world;
}
