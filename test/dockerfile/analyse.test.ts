import { describe, expect, test } from 'vitest';
import { analyse } from '../../src/dockerfile/analyse.ts';
import { imageReferences } from '../../src/dockerfile/images.ts';
import type { Analysis, AnalysisOptions, ImageTraits } from '../../src/dockerfile/analysis.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { Failure } from '../../src/failure.ts';
import { inputLine } from '../../src/plan/input.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const nothing: ImageTraits = { env: [], onbuild: [] };
const defaults: AnalysisOptions = { args: {}, platform: amd64, buildPlatform: amd64, traitsOf: () => nothing };
const read = (source: string, options: Partial<AnalysisOptions> = {}): Analysis =>
  analyse(parseDockerfile(source, 'Dockerfile'), { ...defaults, ...options });
const lines = (source: string, options: Partial<AnalysisOptions> = {}) =>
  read(source, options).inputs.map(inputLine).toSorted();
const instructions = (analysis: Analysis) =>
  analysis.inputs.flatMap((input) =>
    input.kind === 'instruction' ? [`${input.stage}.${input.seq} ${input.text}`] : [],
  );
const args = (analysis: Analysis) =>
  Object.fromEntries(
    analysis.inputs.flatMap((input) => (input.kind === 'arg' ? [[`${input.stage} ${input.name}`, input.value]] : [])),
  );
const patterns = (source: string, options: Partial<AnalysisOptions> = {}) =>
  read(source, options).files.flatMap((selection) => selection.patterns);
const references = (analysis: Analysis) => analysis.images.map(({ reference, via }) => `${via} ${reference}`);
const failure = (source: string, options: Partial<AnalysisOptions> = {}): Failure => {
  try {
    read(source, options);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
};

describe('stages', () => {
  const source = `
FROM debian:12 AS base
RUN base
FROM base AS Build
COPY src /src
FROM alpine AS docs
COPY docs /docs
FROM base AS runtime
COPY --from=BUILD /out /out
FROM runtime AS debug
RUN debug
`;

  test('only those that the target needs count', () => {
    const analysis = read(source, { target: 'Runtime' });
    expect(instructions(analysis)).toEqual([
      '0.0 FROM debian:12 AS base',
      '0.1 RUN base',
      '1.0 FROM base AS build',
      '1.1 COPY src /src',
      '2.0 FROM base AS runtime',
      '2.1 COPY --from=BUILD /out /out',
    ]);
    expect(references(analysis)).toEqual(['from debian:12']);
    expect(analysis.base).toBe('debian:12');
    expect(patterns(source, { target: 'runtime' })).toEqual(['src']);
  });

  test('the last one is the target where none is named', () => {
    expect(instructions(read(source))).toContain('3.1 RUN debug');
    expect(patterns(source, { target: 'docs' })).toEqual(['docs']);
  });

  test('a stage that nobody needs changes nothing, wherever it stands', () => {
    const before = 'FROM a\nRUN a\nFROM b\nCOPY --from=0 /x /x\n';
    const after = 'FROM z AS unneeded\nCOPY z z\nFROM a\nRUN a\nFROM b\nCOPY --from=1 /x /x\n';
    expect(lines(after)).toEqual(lines(before));
  });

  test('the same index that means another stage is a change', () => {
    const before =
      'FROM a AS a\nRUN 1\nFROM b AS b\nRUN 2\nFROM c\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=1 /x /y';
    expect(lines(`FROM unneeded\n${before}`)).not.toEqual(lines(before));
  });

  test('an unknown target is an error that names the stages', () => {
    expect(failure(source, { target: 'tests' })).toMatchObject({
      because: 'there is no stage "tests"',
      fix: 'the stages are base, build, docs, runtime, debug',
    });
  });

  test('a stage cannot be used before it is defined', () => {
    expect(failure('FROM a AS t\nCOPY --from=late /x /x\nFROM b AS late', { target: 't' }).because).toContain(
      'not defined before',
    );
    expect(failure('FROM a AS me\nCOPY --from=me /x /x').because).toContain('not defined before');
    expect(failure('FROM a\nCOPY --from=7 /x /x').because).toBe('there is no stage 7');
  });

  test('scratch is no image', () => {
    const analysis = read('FROM scratch\nCOPY --from=scratch / /\nCOPY a /');
    expect(analysis.images).toEqual([]);
    expect(analysis.base).toBe('scratch');
  });

  test('a name counts for images only above its stage', () => {
    expect(references(read('FROM debian\nFROM alpine AS debian'))).toEqual(['from alpine']);
    expect(references(read('FROM debian AS debian\nFROM debian'))).toEqual(['from debian']);
  });
});

describe('images', () => {
  test('COPY --from and mounts name them too, each at its place', () => {
    const source =
      'FROM a\nCOPY --from=busybox:1 /bin/sh /\nRUN --mount=from=tools,target=/t --mount=type=cache,target=/c x';
    const { images } = read(source);
    expect(images.map(({ reference, via, at }) => [reference, via, at.line, at.column])).toEqual([
      ['a', 'from', 1, 6],
      ['busybox:1', 'copy-from', 2, 13],
      ['tools', 'mount-from', 3, 18],
    ]);
  });

  test('a mount takes no index: from=0 is an image', () => {
    expect(references(read('FROM a AS x\nFROM b\nRUN --mount=from=0,target=/t x'))).toEqual(['from b', 'mount-from 0']);
  });

  test('--platform counts where it is another one', () => {
    const source = 'FROM --platform=$BUILDPLATFORM a AS x\nFROM --platform=$TARGETPLATFORM b\nCOPY --from=x / /';
    const arm64 = { os: 'linux', architecture: 'arm64' };
    expect(read(source, { platform: arm64 }).images.map(({ platform }) => platform)).toEqual([amd64, undefined]);
    expect(args(read(source, { platform: arm64 }))).toEqual({
      'global BUILDPLATFORM': 'linux/amd64',
      'global TARGETPLATFORM': 'linux/arm64',
    });
  });

  test('are known before any base is', () => {
    const dockerfile = parseDockerfile('ARG V=1\nFROM a:$V\nCOPY $FROM_BASE /x\nCOPY --from=b / /', 'Dockerfile');
    const options = { ...defaults, traitsOf: () => undefined };
    expect(imageReferences(dockerfile, options).map(({ reference }) => reference)).toEqual(['a:1', 'b']);
  });

  test('variables in --from are refused', () => {
    expect(failure('FROM a\nARG X=b\nCOPY --from=$X / /').because).toBe('COPY --from takes no variables');
    expect(failure('FROM a\nARG X=b\nRUN --mount=from=$X,target=/t x').because).toContain('from= takes no variables');
  });
});

describe('ARG', () => {
  const source = `
ARG VERSION=12
ARG IMAGE=debian:\${VERSION}
ARG UNUSED=1
FROM $IMAGE AS one
ARG VERSION
ARG JOBS=4
ARG NONE
ENV J=$JOBS
FROM one
ARG OTHER=x
`;

  test("the builder's own count though no ARG declares them", () => {
    const given = { BUILDKIT_SANDBOX_HOSTNAME: 'x', BUILDKIT_SYNTAX: 'docker/dockerfile:1.7', OTHER: 'y' };
    expect(args(read('FROM a', { args: given }))).toEqual({
      'global BUILDKIT_SANDBOX_HOSTNAME': 'x',
      'global BUILDKIT_SYNTAX': 'docker/dockerfile:1.7',
    });
  });

  test('global ones count where a needed FROM uses them, also through defaults', () => {
    expect(args(read(source))).toEqual({
      'global VERSION': '12',
      'global IMAGE': 'debian:12',
      '0 VERSION': '12',
      '0 JOBS': '4',
      '0 NONE': null,
      '1 OTHER': 'x',
    });
    expect(read(source, { args: { VERSION: '13' } }).base).toBe('debian:13');
  });

  test('one that no needed stage declares has no effect', () => {
    expect(lines(source, { args: { UNUSED: '2', STRANGER: 'y', HTTP_PROXY: 'http://proxy' } })).toEqual(lines(source));
    expect(lines(source, { target: 'one', args: { OTHER: 'y' } })).toEqual(lines(source, { target: 'one' }));
  });

  test('one that a stage declares has', () => {
    for (const name of ['VERSION', 'JOBS', 'NONE', 'OTHER']) {
      expect(lines(source, { args: { [name]: 'new' } }), name).not.toEqual(lines(source));
    }
    expect(read(source).declaredArgs).toEqual(['IMAGE', 'JOBS', 'NONE', 'OTHER', 'VERSION']);
  });

  test('a value as by default is no change', () => {
    expect(lines(source, { args: { JOBS: '4' } })).toEqual(lines(source));
  });

  test('the platform is seen where it is declared', () => {
    const arm = { os: 'linux', architecture: 'arm', variant: 'v7' };
    const declared = 'FROM a\nARG TARGETPLATFORM\nARG TARGETARCH\nARG TARGETVARIANT\nARG BUILDARCH\nARG TARGETSTAGE';
    expect(args(read(declared, { platform: arm }))).toEqual({
      '0 TARGETPLATFORM': 'linux/arm/v7',
      '0 TARGETARCH': 'arm',
      '0 TARGETVARIANT': 'v7',
      '0 BUILDARCH': 'amd64',
      '0 TARGETSTAGE': 'default',
    });
    expect(patterns('FROM a\nCOPY bin-$TARGETARCH /x')).toEqual(['bin-']);
    expect(patterns('FROM a\nARG TARGETARCH\nCOPY bin-$TARGETARCH /x')).toEqual(['bin-amd64']);
  });

  test('an empty image is an error that names the ARG', () => {
    expect(failure('ARG BASE\nFROM $BASE')).toMatchObject({
      because: 'the image of FROM $BASE is empty',
      fix: expect.stringContaining('BASE'),
      at: { line: 2, column: 6, length: 5 },
    });
  });
});

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

describe('ONBUILD', () => {
  test("an image's triggers run first, in the child's context", () => {
    const traitsOf = (reference: string) =>
      reference === 'a'
        ? { env: ['D=dir'], onbuild: ['ARG V=1', 'COPY $D /app', 'COPY --from=tool /t /', 'RUN <<E\nx\nE'] }
        : nothing;
    const analysis = read('FROM a\nCOPY own /app', { traitsOf });
    expect(
      analysis.inputs.flatMap((input) => (input.kind === 'onbuild' ? [`${input.of} ${input.seq} ${input.text}`] : [])),
    ).toEqual(['a 0 ARG V=1', 'a 1 COPY $D /app', 'a 2 COPY --from=tool /t /', 'a 3 RUN <<E\nx\n']);
    expect(analysis.files.flatMap((selection) => selection.patterns)).toEqual(['dir', 'own']);
    expect(references(analysis)).toEqual(['from a', 'copy-from tool']);
    expect(analysis.declaredArgs).toEqual(['V']);
  });

  test("a parent stage's triggers run in the child, not in the grandchild", () => {
    const source = 'FROM a AS p\nONBUILD COPY x /x\nFROM p AS c\nRUN c\nFROM c\nRUN g';
    expect(patterns(source, { target: 'p' })).toEqual([]);
    expect(patterns(source, { target: 'c' })).toEqual(['x']);
    expect(read(source).files).toHaveLength(1);
  });

  test('a trigger can need a stage of the child', () => {
    const traitsOf = (reference: string) => ({ ...nothing, onbuild: reference === 'a' ? ['COPY --from=0 /x /'] : [] });
    expect(instructions(read('FROM b\nRUN b\nFROM a', { traitsOf }))).toContain('0.1 RUN b');
  });

  test('an error in one is shown at the FROM', () => {
    const traitsOf = () => ({ env: [], onbuild: ['COPY --from=9 /x /'] });
    expect(failure('FROM b AS x\nFROM a', { traitsOf }).at).toMatchObject({ line: 2, text: 'FROM a' });
  });
});

describe('what a child inherits', () => {
  test('ENV, WORKDIR and ONBUILD, not ARG', () => {
    const source =
      'FROM a AS p\nENV A=1\nWORKDIR /one\nONBUILD RUN lost\nFROM p\nARG B=2\nENV C=$A$B PATH=/bin\nWORKDIR two\nONBUILD  COPY <<-E   /x\n\tbody\n\tE\n';
    const traitsOf = () => ({ env: ['PATH=/base', 'Z=z'], workdir: '/w', onbuild: [] });
    expect(read(source, { traitsOf }).traits).toEqual({
      env: ['PATH=/bin', 'Z=z', 'A=1', 'C=12'],
      workdir: '/one/two',
      onbuild: ['COPY <<-E /x\n\tbody\nE'],
    });
  });

  test('triggers are read by a child as they were written', () => {
    const parent =
      'FROM a\nONBUILD COPY --chown="a b" ["x y", "/z"]\nONBUILD RUN  a   b\nONBUILD ADD <<E <<F /\n1\nE\n2\nF\n';
    const { onbuild } = read(parent).traits;
    const child = read('FROM p', { traitsOf: () => ({ env: [], onbuild }) });
    expect(child.inputs.flatMap((input) => (input.kind === 'onbuild' ? [input.text] : []))).toEqual([
      'COPY --chown="a b" ["x y","/z"]',
      'RUN a   b',
      'ADD <<E <<F /\n1\n\n2\n',
    ]);
  });
});

describe('directives', () => {
  test('syntax and escape count, check does not', () => {
    expect(lines('# check=skip=all\nFROM a')).toEqual(lines('FROM a'));
    expect(lines('# escape=`\nFROM a')).not.toEqual(lines('FROM a'));
    expect(lines('# syntax=docker/dockerfile:1\nFROM a')).not.toEqual(lines('# syntax=docker/dockerfile:1.7\nFROM a'));
  });
});
