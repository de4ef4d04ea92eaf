import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { deriveDockerfile } from '../../src/engine/derived-dockerfile.ts';
import { Failure } from '../../src/failure.ts';

const platform = { os: 'linux', architecture: 'amd64' };

function derive(
  source: string,
  names: Record<string, string>,
  args: Record<string, string> = {},
  target?: string,
): string {
  const options = { args, platform, buildPlatform: platform, ...(target === undefined ? {} : { target }) };
  return deriveDockerfile(source, parseDockerfile(source, 'Dockerfile'), options, new Map(Object.entries(names)));
}

describe('the derived Dockerfile', () => {
  it('names parents in FROM, COPY --from and mounts otherwise, and keeps every line in its place', () => {
    const source = [
      '# FROM parent:1 in a comment stays',
      'ARG TAG=1',
      'FROM --platform=$TARGETPLATFORM parent:${TAG} AS parent',
      'COPY --from=tools:2 --chown=1:1 /tools:2 /x',
      'RUN --mount=type=bind,from=tools:2,target=/a \\',
      '    --mount=from=tools:2,target=/b echo tools:2 parent:1',
      'FROM parent',
      'COPY --from=parent /a /b',
      'RUN <<EOF',
      'FROM parent:1',
      'EOF',
      '',
    ].join('\n');
    const derived = derive(source, { 'parent:1': 'new.invalid/p:x', 'tools:2': 'new.invalid/t:y' });
    expect(derived.split('\n')).toEqual([
      '# FROM parent:1 in a comment stays',
      'ARG TAG=1',
      'FROM --platform=$TARGETPLATFORM new.invalid/p:x AS parent',
      'COPY --from=new.invalid/t:y --chown=1:1 /tools:2 /x',
      'RUN --mount=type=bind,from=new.invalid/t:y,target=/a \\',
      '    --mount=from=new.invalid/t:y,target=/b echo tools:2 parent:1',
      'FROM parent',
      'COPY --from=parent /a /b',
      'RUN <<EOF',
      'FROM parent:1',
      'EOF',
      '',
    ]);
  });

  it('rewrites every stage on one parent, also with a continued line', () => {
    const derived = derive('FROM a:1 AS x\nFROM \\\n  a:1 AS y\nCOPY --from=x / /\n', { 'a:1': 'n.invalid/a:z' });
    expect(derived).toBe('FROM n.invalid/a:z AS x\nFROM \\\n  n.invalid/a:z AS y\nCOPY --from=x / /\n');
  });

  it('leaves stages alone that the target skips', () => {
    const source = 'FROM a:1 AS x\nFROM b:1 AS y\n';
    expect(derive(source, { 'a:1': 'n.invalid/a:z' }, {}, 'x')).toBe('FROM n.invalid/a:z AS x\nFROM b:1 AS y\n');
  });

  it('says so when a parent has no place in the file', () => {
    expect(() => derive('FROM a:1\n', { 'a:1': 'n.invalid/a:z', 'from-a-trigger:1': 'n.invalid/t:z' })).toThrow(
      Failure,
    );
  });
});
