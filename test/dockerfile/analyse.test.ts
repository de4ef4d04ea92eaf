import { describe, expect, test } from 'vitest';
import { imageReferences } from '../../src/dockerfile/images.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import {
  amd64,
  args,
  defaults,
  failure,
  instructions,
  lines,
  nothing,
  patterns,
  read,
  references,
} from '../support/analysed-dockerfile.ts';

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
