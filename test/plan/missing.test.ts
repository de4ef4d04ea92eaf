import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Failures } from '../../src/failure.ts';
import { newRepository, plan, saveAll, writeTree } from './saved-project.ts';

const yaml =
  'version: 1\nname: app\nlayers:\n  app: { context: app, image: app, platforms: [linux/amd64, linux/arm64] }\n';

/** What a plan warns of for a layer with this Dockerfile and two files. */
function project(...dockerfile: string[]): string {
  const folder = newRepository({
    'imgbuild.yaml': yaml,
    'app/Dockerfile': `${dockerfile.join('\n')}\n`,
    'app/main.py': 'x',
    'app/docs/page.md': 'x',
    'app/empty/': '',
  });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const warnings = async (folder: string) => (await plan(folder)).plan.warnings;

test('a path that is not there is an error at its place, with the nearest name, once for all platforms', async () => {
  const folder = project('FROM scratch', 'COPY main.py docs empty \\', '  ./nian.py /srv/', 'ADD /docs/pages.md /');
  const error = (await plan(folder).catch((caught: unknown) => caught)) as Failures;
  expect(error).toBeInstanceOf(Failures);
  expect(error.failures.map(({ because, fix, at, kind }) => ({ because, fix, at, kind }))).toEqual([
    {
      because: 'layer app: COPY nian.py: the context app has no such file or folder',
      fix: 'the nearest is main.py',
      at: { file: 'app/Dockerfile', line: 3, column: 3, length: 9, text: '  ./nian.py /srv/' },
      kind: 'input',
    },
    {
      because: 'layer app: ADD docs/pages.md: the context app has no such file or folder',
      fix: 'the nearest is docs/page.md',
      at: { file: 'app/Dockerfile', line: 4, column: 5, length: 14, text: 'ADD /docs/pages.md /' },
      kind: 'input',
    },
  ]);
});

test('a pattern that matches nothing is told with its line, once for all platforms', async () => {
  const folder = project(
    'FROM scratch',
    'COPY main.py docs empty nope*.py /srv/',
    'ADD archive*.tar /',
    'COPY --parents ./docs/*.txt /',
    'COPY mai?.py *.md /srv/',
  );
  expect(await warnings(folder)).toEqual([
    'app: app/Dockerfile:2: COPY nope*.py matches no file',
    'app: app/Dockerfile:3: ADD archive*.tar matches no file',
    'app: app/Dockerfile:4: COPY ./docs/*.txt matches no file',
    'app: app/Dockerfile:5: COPY *.md matches no file',
  ]);
});

test('what .dockerignore leaves out matches nothing', async () => {
  const folder = project('FROM scratch', 'COPY docs /docs');
  expect(await warnings(folder)).toEqual([]);
  writeTree(folder, { 'app/.dockerignore': 'docs\n' });
  await expect(plan(folder)).rejects.toMatchObject({
    because: 'layer app: COPY docs: the context app has no such file or folder',
    fix: 'it is there, and .dockerignore leaves it out: mend one of the two',
    at: { line: 2, column: 6 },
  });
});

test('what comes from elsewhere, or is not known yet, is no such source', async () => {
  const folder = project(
    'FROM scratch AS made',
    'COPY main.py /out',
    'FROM scratch',
    'ARG WHERE',
    'COPY --from=made /nope /',
    'ADD https://example.org/nope.tar /',
    'COPY <<end /text',
    'text',
    'end',
    'RUN --mount=type=bind,from=made,source=/nope,target=/m --mount=type=cache,target=/c true',
    'COPY --unheard-of main.py /',
  );
  expect(await warnings(folder)).toEqual([]);
});

test('only layers that are built are looked at', async () => {
  const folder = project('FROM scratch', 'COPY nope* main.py docs/page.md /');
  await saveAll(folder);
  const { plan: result } = await plan(folder);
  expect(result.layers.map(({ action }) => action)).toEqual(['reuse', 'reuse']);
  expect(result.warnings).toEqual([]);
});
