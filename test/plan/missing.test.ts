import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
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

test('a source that matches nothing is told with its line, once for all platforms', async () => {
  const folder = project(
    'FROM scratch',
    'COPY main.py docs empty nope.py /srv/',
    'ADD archive*.tar /',
    'COPY --parents ./docs/*.txt /',
    'COPY mai?.py *.md /srv/',
  );
  expect(await warnings(folder)).toEqual([
    'app: app/Dockerfile:2: COPY nope.py matches no file',
    'app: app/Dockerfile:3: ADD archive*.tar matches no file',
    'app: app/Dockerfile:4: COPY ./docs/*.txt matches no file',
    'app: app/Dockerfile:5: COPY *.md matches no file',
  ]);
});

test('what .dockerignore leaves out matches nothing', async () => {
  const folder = project('FROM scratch', 'COPY docs /docs');
  expect(await warnings(folder)).toEqual([]);
  writeTree(folder, { 'app/.dockerignore': 'docs\n' });
  expect(await warnings(folder)).toEqual(['app: app/Dockerfile:2: COPY docs matches no file']);
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
  const folder = project('FROM scratch', 'COPY nope* main.py /');
  await saveAll(folder);
  const { plan: result } = await plan(folder);
  expect(result.layers.map(({ action }) => action)).toEqual(['reuse', 'reuse']);
  expect(result.warnings).toEqual([]);
});
