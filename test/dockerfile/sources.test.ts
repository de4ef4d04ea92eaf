import { describe, expect, test } from 'vitest';
import { failure, patterns, read } from '../support/analysed-dockerfile.ts';

describe('variables in sources', () => {
  test('ENV and ARG in the order of the file', () => {
    const source = `
FROM a
ENV D=one
COPY $D/a /
ENV D=two E=$D
COPY $D/b \${E}/b /
ARG D=three
COPY $D/c \${MISSING:-four}/d /
`;
    expect(patterns(source)).toEqual(['one/a', 'two/b', 'one/b', 'three/c', 'four/d']);
  });

  test('ENV and ARG of a parent stage, ENV of the image', () => {
    const source =
      'FROM a AS p\nARG A=1\nENV B=2\nFROM p\nCOPY $A$B$C /\nFROM a AS q\nCOPY --from=0 x /\nCOPY $A$B$C /';
    const traitsOf = () => ({ env: ['C=3'], onbuild: [] });
    expect(patterns(source, { traitsOf, target: 'q' })).toEqual(['3']);
    expect(patterns(source.split('FROM a AS q')[0]!, { traitsOf })).toEqual(['123']);
  });

  test('are cleaned as BuildKit cleans them', () => {
    const source = 'FROM a\nCOPY ./x /y//z/ ../../w a/../b/*.c . /d/\nCOPY ["with space/", "/d"]';
    expect(patterns(source)).toEqual(['x', 'y/z', 'w', 'b/*.c', '.', 'with space']);
  });

  test('an image that is not known leaves what depends on it open', () => {
    const source =
      'FROM a\nENV KNOWN=k X=$FROM_BASE\nCOPY $KNOWN /\nCOPY $X /\nCOPY $FROM_BASE/y /\nCOPY ${FROM_BASE:?} /';
    const analysis = read(source, { traitsOf: () => undefined });
    expect(analysis.files.flatMap((selection) => selection.patterns)).toEqual(['k']);
    expect(analysis.unresolved.map(({ at }) => at.line)).toEqual([4, 5, 6]);
    expect(read(source, { traitsOf: () => ({ env: ['FROM_BASE=b'], onbuild: [] }) }).unresolved).toEqual([]);
  });

  test('a flag that nobody knows leaves it open what is read', () => {
    expect(read('FROM a\nCOPY --sparkle=x y /').unresolved).toMatchObject([{ at: { line: 2, column: 6 } }]);
  });

  test('so does a frontend that is not the Dockerfile one', () => {
    expect(read('# syntax=example.org/other\nFROM a').unresolved).toHaveLength(1);
    for (const reference of [
      'docker/dockerfile:1',
      'docker.io/docker/dockerfile:1.7-labs',
      'ghcr.io/x/docker/dockerfile@sha256:00',
    ]) {
      expect(read(`# syntax=${reference}\nFROM a`)).toMatchObject({ unresolved: [], syntax: { reference } });
    }
  });
});

describe('COPY, ADD and mounts', () => {
  test('COPY --from another stage and heredocs read no files', () => {
    expect(patterns('FROM a AS x\nFROM b\nCOPY --from=x /y /\nCOPY <<A <<B z /\na\nA\nb\nB\nADD <<C /\nC\n')).toEqual([
      'z',
    ]);
  });

  test('--exclude and --parents go along', () => {
    const { files } = read('FROM a\nCOPY --exclude=*.md --exclude=b/** --parents ./x/./*.c /d/');
    expect(files).toMatchObject([{ via: 'copy', patterns: ['./x/./*.c'], excludes: ['*.md', 'b/**'], parents: true }]);
    expect(read('FROM a\nCOPY --parents=false x /').files).toMatchObject([{ parents: false }]);
  });

  test('bind mounts read the context; the others leave their ids', () => {
    const source = `FROM a
ARG W=w
RUN --mount=target=/all --mount=type=bind,src=tools/$W,dst=/t \\
    --mount=type=bind,source=a[1]*,target=/lit \\
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,target=/run/token \\
    --mount=type=ssh --mount=type=cache,target=/root/.cache --mount=type=tmpfs,target=/tmp \\
    --mount=type=bind,from=a,source=/x,target=/x make`;
    const analysis = read(source);
    expect(analysis.files.map(({ via, patterns: [pattern] }) => `${via} ${pattern}`)).toEqual([
      'mount .',
      'mount tools/w',
      'mount a[1]*',
    ]);
    expect(analysis.inputs.filter(({ kind }) => kind === 'mount').map((input) => 'id' in input && input.id)).toEqual([
      'pip',
      'token',
      'default',
      '/root/.cache',
      '/tmp',
    ]);
  });

  test('ADD of URLs and git repositories: pinned or not', () => {
    const commit = 'a'.repeat(40);
    const sum = `sha256:${'1'.repeat(64)}`;
    const source = `FROM a
ADD https://example.org/x.tar /
ADD --checksum=${sum} https://user:secret@example.org/y.tar /
ADD https://example.org/r.git#main /
ADD https://example.org/r.git#${commit}:dir /
ADD https://example.org/r.git?commit=${commit} /
ADD git@example.org:r.git /
ADD --keep-git-dir=true git@example.org:r.git#${commit} /
ADD local.tar.gz example.org/path ./https://x /`;
    const analysis = read(source);
    expect(analysis.unpinned.map(({ url, at }) => [url, at.line])).toEqual([
      ['https://example.org/x.tar', 2],
      ['https://example.org/r.git#main', 4],
      ['git@example.org:r.git', 7],
    ]);
    expect(analysis.inputs.flatMap((input) => (input.kind === 'remote' ? [input.checksum] : []))).toEqual([
      null,
      sum,
      null,
      commit,
      commit,
      null,
      commit,
    ]);
    expect(JSON.stringify(analysis.inputs.filter(({ kind }) => kind === 'remote'))).not.toContain('secret');
    expect(analysis.files).toMatchObject([{ via: 'add', patterns: ['local.tar.gz', 'example.org/path', 'https:/x'] }]);
  });

  test('a checksum that is none is refused at its place', () => {
    const at = { line: 2, column: 16, length: 9 };
    expect(failure('FROM a\nADD --checksum=sha256:zz https://example.org/x /')).toMatchObject({
      because: 'sha256:zz is no checksum',
      fix: 'write sha256: and 64 hex digits',
      at,
    });
    expect(failure('FROM a\nADD --checksum=sha256:11 https://example.org/x /')).toMatchObject({ at });
    expect(failure('FROM a\nARG SUM=ab\nADD --checksum=${SUM} https://example.org/x /').because).toContain('ab is no');
    expect(failure('FROM a\nADD --checksum=main https://example.org/r.git /').fix).toContain('commit');
  });

  test('COPY of a URL is refused', () => {
    expect(failure('FROM a\nCOPY https://example.org/x /').because).toContain("COPY can't fetch");
  });
});
