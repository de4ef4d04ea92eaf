import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { rewireText, skipStages } from '../../src/dockerfile/skip.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeReason } from '../../src/report/reason.ts';
import { chain, newRepository, plan, saveAll, writeTree } from './saved-project.ts';

const stages = `FROM debian:12 AS base
ARG ARCH
RUN apt-get update

FROM base AS miniconda
# conda, where it is wanted
RUN bash install_miniconda3.sh

FROM miniconda AS python
ARG ARCH
RUN make install
FROM python AS cann
RUN bash install_cann.sh
`;

const yaml = (layer: string) =>
  `version: 1\nname: npu\nplatforms: [linux/amd64]\nlayers:\n  cann:\n    context: .\n    image: cann\n${layer}`;

function repository(layer = '', dockerfile = stages): string {
  const folder = newRepository({
    'imgbuild.yaml': yaml(layer),
    'imgbuild.lock': chain['imgbuild.lock']!,
    Dockerfile: dockerfile,
  });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function refusal(layer: string, dockerfile = stages): Promise<Failure> {
  const error = await plan(repository(layer, dockerfile)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Failure)) throw new Error('it was planned');
  return error;
}

const fingerprint = async (folder: string) => (await plan(folder)).plan.layers[0]!.fingerprint;

test('a skipped stage is rewired: the fingerprint is that of the file in which somebody did it by hand', async () => {
  const byHand = stages
    .replace(/FROM base AS miniconda[^]*?\n\n/, '')
    .replace('FROM miniconda AS python', 'FROM base AS python');
  expect(byHand).not.toContain('miniconda');
  expect(await fingerprint(repository('    skip: [miniconda]\n'))).toBe(await fingerprint(repository('', byHand)));
  expect(await fingerprint(repository())).not.toBe(await fingerprint(repository('', byHand)));
});

test('the reasons name what skip: leaves out, and nothing that only moved up', async () => {
  const folder = repository();
  await saveAll(folder);
  writeTree(folder, { 'imgbuild.yaml': yaml('    skip: [miniconda]\n') });
  const { reasons } = (await plan(folder)).plan.layers[0]!;
  expect(reasons.map(describeReason)).toEqual([
    'skip: FROM base AS miniconda removed',
    'FROM miniconda AS python → FROM base AS python',
  ]);
  expect(readFileSync(path.join(folder, 'Dockerfile'), 'utf8')).toBe(stages);
});

test('what goes to the build has every instruction on its line', () => {
  const source = `ARG DEBIAN=debian:12\r\nFROM --platform=linux/arm64 \\\n  $DEBIAN \\\n  AS one\nRUN a\nFROM one \\\n\n  as two\nRUN b\nfrom two as three\nRUN c\n`;
  const written = parseDockerfile(source, 'Dockerfile');
  const platform = parsePlatform('linux/amd64');
  const at = written.instructions[0]!.at;
  const built = skipStages(
    written,
    ['ONE', 'two'].map((name) => ({ name, at })),
    { args: {}, platform, buildPlatform: platform },
  );
  const text = rewireText(source, written, built);
  expect(text.split('\n')[9]).toBe('FROM --platform=linux/arm64 $DEBIAN AS three');
  const again = parseDockerfile(text, 'Dockerfile');
  expect(again.instructions.map(({ lines, keyword }) => [keyword, lines[0]])).toEqual(
    written.instructions.map(({ lines, keyword }) => [keyword, lines[0]]),
  );
});

test.each([
  ['COPY --from=miniconda /opt /opt', '--from=miniconda', 'COPY --from takes files from stage miniconda'],
  ['COPY --from=1 /opt /opt', '1', 'COPY --from takes files from stage miniconda'],
  [
    'RUN --mount=type=bind,from=miniconda,target=/m true',
    'miniconda',
    'a mount takes files from stage miniconda, which skip: leaves out',
  ],
])('%s of a skipped stage is an error at its place', async (line, _, because) => {
  const { at, message } = await refusal('    skip: [miniconda]\n', `${stages}${line}\n`);
  expect(message).toContain(because);
  expect(at).toMatchObject({ file: 'Dockerfile', line: 14, text: line });
  expect(at!.column).toBeGreaterThan(5);
});

test.each([
  [
    '[minconda]',
    'there is no stage "minconda"',
    'did you mean miniconda? Its stages are base, miniconda, python, cann',
  ],
  ['[cann]', 'stage cann is the target', 'name the stage below it as target:, and skip nothing'],
])('skip: %s is told at its place in imgbuild.yaml', async (skip, because, fix) => {
  const failure = await refusal(`    skip: ${skip}\n`);
  expect(failure.because).toContain(because);
  expect(failure.fix).toBe(fix);
  expect(failure.exitCode).toBe(2);
  expect(failure.at).toMatchObject({ file: 'imgbuild.yaml', line: 8 });
});

test('a stage on which nothing that is built stands is told', async () => {
  const failure = await refusal('    target: base\n    skip: [miniconda]\n');
  expect(failure.because).toBe('nothing of target base stands on stage miniconda');
  expect(failure.at).toMatchObject({ file: 'imgbuild.yaml', line: 9 });
});

test('a name that means another stage further down is refused, not mixed up', async () => {
  const twice = 'FROM debian:12 AS a\nFROM a AS b\nFROM debian:12 AS a\nFROM b AS c\n';
  const failure = await refusal('    skip: [b]\n', twice);
  expect(failure.because).toContain('means another stage here');
  expect(failure.at).toMatchObject({ file: 'Dockerfile', line: 4 });
});

test('a FROM that names the skipped stage by an ARG is rewired too', async () => {
  const byArg = stages.replace('FROM miniconda AS python', 'FROM ${BELOW} AS python');
  const folder = repository('    skip: [miniconda]\n', `ARG BELOW=miniconda\n${byArg}`);
  const { builds } = await plan(folder);
  const inputs = builds[0]!.inputs.inputs;
  expect(inputs).toContainEqual({ kind: 'instruction', stage: 1, seq: 0, text: 'FROM base AS python' });
});
