import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../src/deb/check.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { deb, makeProject } from './support/project.ts';

const env = { FROM_ENV: 'env', BOTH: 'env', LINES: 'a\nDepends: evil', EMPTY: '', PLACE: '../outside', TARGET: 'opt' };
const args = { BOTH: 'args', MODEL: 'ocr' };

async function plan(entry: object) {
  const config = makeProject({ 'ccai-files': deb(entry) }, { 'models/ocr/w.bin': 'w', 'a${b}': '' }, { args });
  return (await checkDebs(config, undefined, { version: '1.2.0', env })).planned[0]!;
}

async function refusals(entry: object): Promise<Failure[]> {
  const error = await plan(entry).catch((caught: unknown) => caught);
  return error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : [];
}

describe('${NAME}', () => {
  test.each([
    ['${FROM_ENV}', 'env'],
    ['${BOTH} before the environment', 'args before the environment'],
    ['${NONE:-default value}', 'default value'],
    ['${EMPTY}x', 'x'],
    ['$${FROM_ENV} is written', '${FROM_ENV} is written'],
    ['$FROM_ENV is plain text', '$FROM_ENV is plain text'],
    ['release ${version}', 'release 1.2.0'],
  ])('in %j stands for its value: %j', async (description, expected) => {
    expect((await plan({ description })).control).toContain(`Description: ${expected}\n`);
  });

  test('stands in paths and lists, too', async () => {
    const { control, entries } = await plan({
      depends: ['${MODEL}-data (= ${version})'],
      contents: [{ src: 'models/${MODEL}/*', dst: '/opt/${MODEL}' }],
    });
    expect(control).toContain('Depends: ocr-data (= 1.2.0)\n');
    expect(entries.map(({ path }) => path)).toContain('opt/ocr/w.bin');
  });

  test.each<[object, string, string]>([
    [{ description: '${MODLE}' }, '${MODLE} has no value', 'did you mean ${MODEL}?'],
    [
      { description: '${NOWHERE}' },
      '${NOWHERE} has no value',
      'set it in args: or in the environment, or write ${NOWHERE:-DEFAULT}',
    ],
    [
      { description: '${not a name}' },
      '${not a name} is no variable',
      'write ${NAME}, or $${ for the characters themselves',
    ],
    [{ description: '${OPEN' }, '${OPEN', ''],
    [{ description: '${LINES}' }, 'the value of ${LINES} has a line break', 'give it a value of one line'],
    [{ contents: [{ src: '${PLACE}', dst: '/opt/x' }] }, '"../outside"', ''],
    [{ contents: [{ src: 'models', dst: '${TARGET}' }] }, 'a path on the device is absolute', ''],
    [{ contents: [{ src: 'models', dst: '/opt/${PLACE}' }] }, 'the path contains ..', ''],
  ])('in %j is refused at its place', async (entry, because, fix) => {
    const [failure] = await refusals(entry);
    expect(failure!.because).toContain(because);
    expect(failure!.fix).toContain(fix);
    expect(failure).toMatchObject({ kind: 'input', at: { text: expect.stringContaining('${') } });
  });

  test('in a value is not looked for again', async () => {
    const config = makeProject({ 'ccai-files': deb({ description: '${NESTED}' }) });
    const { planned } = await checkDebs(config, undefined, { env: { NESTED: '${FROM_ENV}' } });
    expect(planned[0]!.control).toContain('Description: ${FROM_ENV}\n');
  });
});
