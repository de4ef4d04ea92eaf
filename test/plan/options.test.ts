import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeReason } from '../../src/report/reason.ts';
import { chain, newRepository, outcomes, plan, saveAll, writeTree } from './saved-project.ts';

const tree = {
  ...chain,
  'imgbuild.yaml': chain['imgbuild.yaml']!.replace('args: { OPENVINO: "y" }', 'options: { kconfig: Kconfig }'),
  Kconfig: `mainmenu "CCAI"
config OPENVINO
	bool "OpenVINO"
	default y
config TENSORFLOW
	bool "Tensorflow"
config WORKERS
	int "Workers"
	default 4
config GREETING
	string "Greeting" if TENSORFLOW
`,
  'docker/engine/Dockerfile':
    'FROM service_runtime_base:ubuntu_20.04\nARG CONFIG_OPENVINO=n\nARG TENSORFLOW=y\nARG CONFIG_GREETING=hello\nRUN install\n',
  'docker/service/Dockerfile':
    'FROM service_runtime_inference_engine:ubuntu_20.04\nARG WORKERS\nARG CONFIG_OLD=n\nCOPY app.py /srv/\n',
};

async function saved(config?: string, files: Record<string, string> = {}): Promise<string> {
  const folder = newRepository({ ...tree, ...files });
  if (config !== undefined) setConfig(folder, config);
  await saveAll(folder);
  return folder;
}
const setConfig = (folder: string, text: string) => writeFileSync(path.join(folder, '.config'), text);

/** ARG inputs of a layer. */
async function argsOf(folder: string, layer: string): Promise<Record<string, string | null>> {
  const { builds } = await plan(folder);
  const { inputs } = builds.find(({ planned }) => planned.name === layer)!.inputs;
  return Object.fromEntries(inputs.flatMap((input) => (input.kind === 'arg' ? [[input.name, input.value]] : [])));
}

async function reasonsOf(folder: string, layer: string): Promise<string[]> {
  return (await plan(folder)).plan.layers.find(({ name }) => name === layer)!.reasons.map(describeReason);
}

describe('an option reaches the layers that declare its ARG, and no others', () => {
  test('as X and as CONFIG_X; what has no value leaves the default of the ARG', async () => {
    const folder = newRepository(tree);
    expect(await argsOf(folder, 'base')).toEqual({});
    expect(await argsOf(folder, 'engine')).toEqual({ CONFIG_OPENVINO: 'y', TENSORFLOW: 'n', CONFIG_GREETING: 'hello' });
    expect(await argsOf(folder, 'service')).toEqual({ WORKERS: '4', CONFIG_OLD: 'n' });
    setConfig(folder, 'CONFIG_TENSORFLOW=y\nCONFIG_GREETING="say \\"hi\\""\nCONFIG_WORKERS=8\n');
    expect(await argsOf(folder, 'engine')).toEqual({
      CONFIG_OPENVINO: 'y',
      TENSORFLOW: 'y',
      CONFIG_GREETING: 'say "hi"',
    });
    expect(await argsOf(folder, 'service')).toEqual({ WORKERS: '8', CONFIG_OLD: 'n' });
  });

  test('toggling TENSORFLOW builds the engine and the service, not the base, and says so', async () => {
    const folder = await saved();
    expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service reuse']);
    setConfig(folder, 'CONFIG_TENSORFLOW=y\n');
    const [base, engine, service] = await outcomes(folder);
    expect([base, service]).toEqual(['base reuse', 'service build: parent-changed engine']);
    expect(engine).toMatch(/^engine build: arg-changed TENSORFLOW/);
    expect(await reasonsOf(folder, 'engine')).toEqual(['option TENSORFLOW: n → y', 'option GREETING: hello → ']);
    setConfig(folder, '# CONFIG_TENSORFLOW is not set\n');
    expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service reuse']);
  });

  test('only the service builds on what only it declares', async () => {
    const folder = await saved();
    setConfig(folder, 'CONFIG_WORKERS=8\n');
    expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service build: arg-changed WORKERS']);
    expect(await reasonsOf(folder, 'service')).toEqual(['option WORKERS: 4 → 8']);
  });

  test('a prompt, a help text or an order in Kconfig changes nothing', async () => {
    const folder = await saved();
    writeTree(folder, { Kconfig: tree.Kconfig.replace('"OpenVINO"', '"OpenVINO 2021"\n\thelp\n\t  Intel\'s engine.') });
    expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service reuse']);
  });

  test('a line that Kconfig does not know reaches its ARG as it always did, and is told', async () => {
    const folder = await saved('CONFIG_OLD=y\n');
    expect(await argsOf(folder, 'service')).toEqual({ WORKERS: '4', CONFIG_OLD: 'y' });
    expect((await plan(folder)).plan.warnings).toEqual([
      '.config:1:1: Kconfig has no option OLD; the line is kept (define it there, or remove the line)',
    ]);
  });

  test('what is selected although it depends on something else is told', async () => {
    const folder = await saved(undefined, {
      Kconfig: 'config A\n\tdef_bool y\n\tselect B\nconfig B\n\tbool "b"\n\tdepends on C\nconfig C\n\tbool "c"\n',
    });
    expect((await plan(folder)).plan.warnings).toEqual([
      'Kconfig:4:8: A selects B, which depends on C, and that does not hold (let A depend on it as well)',
    ]);
  });

  test('args of a layer win over the option', async () => {
    const engine = 'engine: { context: docker/engine, args: { TENSORFLOW: "y" }, ';
    const folder = await saved(undefined, {
      'imgbuild.yaml': tree['imgbuild.yaml'].replace('engine: { context: docker/engine, ', engine),
    });
    expect((await argsOf(folder, 'engine'))['TENSORFLOW']).toBe('y');
    setConfig(folder, 'CONFIG_TENSORFLOW=y\n');
    expect(await reasonsOf(folder, 'engine')).toEqual(['option GREETING: hello → ']);
  });
});

describe('what is wrong with options', () => {
  const refused = async (files: Record<string, string>) =>
    plan(newRepository({ ...tree, ...files })).then(
      () => 'planned',
      ({ failures: [failure] }) => {
        const { file, line, column } = failure.at;
        return `${file}:${line}:${column}: ${failure.because}: ${failure.fix}`;
      },
    );
  const config = tree['imgbuild.yaml'];

  test.each([
    [
      'an arg of the whole file that is an option',
      { 'imgbuild.yaml': config.replace('layers:', 'args: { OPENVINO: "n" }\nlayers:') },
      'imgbuild.yaml:4:9: OPENVINO is an option of Kconfig already: take it out here, and write `imgbuild options set OPENVINO=n`',
    ],
    [
      'a Kconfig that is not there',
      { 'imgbuild.yaml': config.replace('kconfig: Kconfig', 'kconfig: conf/Kconfig') },
      'imgbuild.yaml:3:10: there is no file conf/Kconfig: write the path of the Kconfig file',
    ],
    [
      'an error in it',
      { Kconfig: 'config A\n\tboool "a"\n' },
      'Kconfig:2:2: "boool" is no statement of Kconfig: did you mean bool?',
    ],
    [
      'a source outside the repository',
      { Kconfig: 'source "../../etc/passwd"\n' },
      'Kconfig:1:8: ../../etc/passwd is outside the repository: put what is needed into the repository',
    ],
    [
      'an absolute source',
      { Kconfig: 'source "/etc/passwd"\n' },
      'Kconfig:1:8: /etc/passwd is outside the repository: put what is needed into the repository',
    ],
    [
      'a path outside the repository',
      { 'imgbuild.yaml': config.replace('kconfig: Kconfig', 'kconfig: ../Kconfig') },
      "imgbuild.yaml:3:21: the path leaves the repository's root: move what is needed below the repository's root, and write its path from there",
    ],
  ])('%s', async (_, files, message) => expect(await refused(files)).toBe(message));
});
