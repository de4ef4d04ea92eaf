import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildCalls } from '../../src/import/ccai/build-script.ts';
import { importTree } from '../../src/import/import-tree.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Failures } from '../../src/failure.ts';
import { openProject } from '../../src/project/open.ts';
import { describeReason } from '../../src/report/reason.ts';
import { git, newRepository, outcomes, plan, saveAll, writeTree } from '../plan/saved-project.ts';

const script = `#!/bin/bash
BASE_IMAGE=service_runtime_base:ubuntu_20.04
OPENVINO_IMAGE=service_runtime_inference_engine:ubuntu_20.04

build_base_image()
{
	cd $SCRIPT_DIR
	./docker_build.sh .config docker/ docker/Dockerfile.base_image \\
		$BASE_IMAGE
	exit 0
}

build_openvino_image()
{
	./docker_build.sh .config docker/ docker/Dockerfile.inference_engine \\
		$OPENVINO_IMAGE
}

build_image()
{
	TAG=v1_$(date +%Y%m%d_%H%M%S)
	IMAGE=service_runtime:\${TAG}
	./docker_build.sh .config docker/ docker/Dockerfile.image $IMAGE \\
		 --iidfile $docker_image_id
}

case "$1" in
	b* | base_image*)
		build_base_image
		;;
	inf* | inference_engine_image)
		build_openvino_image
		;;
	im* | image)
		build_image
		;;
esac
`;
const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
const release = {
  'imgbuild.lock': `${JSON.stringify({ base: 'ubuntu:20.04', from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`,
  'release_build.sh': script,
  'docker_build.sh': '#!/bin/bash\n',
  'docker/Dockerfile.base_image': 'FROM    ubuntu:20.04\nARG     CONFIG_OPENVINO=n\nRUN echo $CONFIG_OPENVINO\n',
  'docker/Dockerfile.inference_engine':
    'FROM    service_runtime_base:ubuntu_20.04\nARG CONFIG_ONNX=n\nRUN echo $CONFIG_ONNX\n',
  'docker/Dockerfile.image': 'FROM    service_runtime_inference_engine:ubuntu_20.04\nCOPY    app_rootfs/ /\n',
  'docker/app_rootfs/etc/app.conf': 'x\n',
  '.config': '#\n# CCAI configuration\n#\nCONFIG_OPENVINO=y\n# CONFIG_ONNX is not set\n',
  'package/models/debian/control': 'Source: m\n',
};
const imported = (folder: string) => importTree(folder, undefined, { images: new Map(), order: 'written' });

test('calls of docker_build.sh are read with their names, also from a Makefile', () => {
  expect(buildCalls(script).map(({ image, names, line }) => [image, names, line])).toEqual([
    ['service_runtime_base:ubuntu_20.04', ['base_image'], 8],
    ['service_runtime_inference_engine:ubuntu_20.04', ['openvino_image', 'inference_engine_image'], 15],
    ['service_runtime', ['image'], 23],
  ]);
  const makefile =
    'TAG := v1_$(shell date)\nBASE_IMAGE   := base:1\nbase_image: docker/Dockerfile.base_image\n\t../docker_build.sh .config docker/ $< $(BASE_IMAGE)\n';
  expect(buildCalls(makefile)).toEqual([
    {
      config: '.config',
      context: 'docker/',
      dockerfile: 'docker/Dockerfile.base_image',
      image: 'base:1',
      names: ['base_image'],
      line: 4,
    },
  ]);
});

test('the menu of examples/ccai reaches the layers that declare its options, under the names that CCAI has', async () => {
  const folder = newRepository({});
  cpSync(path.resolve(import.meta.dirname, '../../examples/ccai'), folder, { recursive: true });
  const file = path.join(folder, 'imgbuild.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/bases:\n.*\n/, ''));
  const base = JSON.stringify({
    base: 'debian:12',
    from: 'registry',
    index: null,
    platforms: { 'linux/amd64': locked, 'linux/arm64': locked },
  });
  writeTree(folder, { 'imgbuild.lock': `${base}\n` });
  await saveAll(folder);
  const built = async (values: string) => {
    writeTree(folder, { '.config': values });
    const { layers } = (await plan(folder, { layers: ['base_image', 'openvino_image', 'image'] })).plan;
    return layers.filter(({ action }) => action === 'build').map(({ name }) => name);
  };
  expect(await built('CONFIG_ONNX=y\n')).toEqual([]);
  expect(await built('# CONFIG_ONNX is not set\n')).toEqual(['engine', 'service']);
  expect(await built('CONFIG_ONNX=y\nCONFIG_RESTFUL_SAMPLE=y\n')).toEqual(['service']);
});

describe('a release of CCAI', () => {
  test('is a chain that is known by what its users type', async () => {
    const folder = newRepository(release);
    const { kind, config, advice, failures } = await imported(folder);
    expect(kind).toBe('ccai');
    expect(failures).toEqual([]);
    expect(advice.map(({ at, text }) => `${at.file}:${at.line} ${text}`)).toEqual([
      'package/models/debian/control:1 these packages are debs: { NAME: { from: package/models/debian } } (docs/debs.md)',
    ]);
    expect(parse(config).args).toEqual({ CONFIG_OPENVINO: 'y' });
    writeFileSync(path.join(folder, 'imgbuild.yaml'), config);
    const { plan: planned } = await plan(folder);
    expect(planned.layers.map(({ name, image, parents }) => [name, image, parents])).toEqual([
      ['base', 'service_runtime_base:ubuntu_20.04', []],
      ['inference_engine', 'service_runtime_inference_engine:ubuntu_20.04', ['base']],
      ['service_runtime', 'service_runtime', ['inference_engine']],
    ]);
    const named = async (...layers: string[]) => (await plan(folder, { layers })).plan.layers.map(({ name }) => name);
    expect(await named('base_image')).toEqual(['base']);
    expect(await named('openvino_image')).toEqual(['base', 'inference_engine']);
    expect(await named('inference_engine_image', 'image')).toHaveLength(3);
    await expect(named('openvino_imag')).rejects.toMatchObject({ fix: 'did you mean openvino_image?' });
  });

  test('with Kconfig has its options, and a toggle reaches the layers that declare it', async () => {
    const folder = newRepository({
      ...release,
      'config/Kconfig': 'config OPENVINO\n\tbool "OpenVINO"\nconfig ONNX\n\tbool "ONNX"\n',
    });
    const { config } = await imported(folder);
    expect(parse(config).options).toEqual({ kconfig: 'config/Kconfig', config: '.config' });
    writeFileSync(path.join(folder, 'imgbuild.yaml'), config);
    await saveAll(folder);
    writeTree(folder, { '.config': 'CONFIG_OPENVINO=y\nCONFIG_ONNX=y\n' });
    expect(await outcomes(folder)).toEqual([
      'base reuse',
      'inference_engine build: arg-changed CONFIG_ONNX',
      'service_runtime build: parent-changed inference_engine',
    ]);
  });

  test('names what is not there by its line', async () => {
    const folder = newRepository({ ...release });
    git(folder, 'rm', '-q', '-r', 'docker/Dockerfile.image', 'docker/app_rootfs');
    const { failures } = await imported(folder);
    expect(failures.map(({ at, because }) => `${at!.file}:${at!.line} ${because}`)).toEqual([
      'release_build.sh:23 there is no docker/Dockerfile.image',
    ]);
  });

  test('is used as it is: its script and its .config stay the source', async () => {
    const include = 'version: 1\nname: ccai\ninclude: { ccai: . }\n';
    const folder = newRepository({ ...release, 'imgbuild.yaml': include });
    const { direct } = await imported(folder);
    expect(direct).toEqual(['include: { ccai: . }']);
    await saveAll(folder);
    const named = async (...layers: string[]) => (await plan(folder, { layers })).plan.layers.map(({ name }) => name);
    expect(await named('openvino_image')).toEqual(['base', 'inference_engine']);
    writeTree(folder, { '.config': release['.config'].replace('OPENVINO=y', 'OPENVINO=n') });
    const { layers } = (await plan(folder)).plan;
    expect(layers.map(({ name, reasons }) => [name, ...reasons.map(describeReason)])).toEqual([
      ['base', '.config:4 CONFIG_OPENVINO: y → n'],
      ['inference_engine', 'parent base changed'],
      ['service_runtime', 'parent inference_engine changed'],
    ]);
    expect(git(folder, 'status', '--short')).toBe('M .config\n'.padStart(11));
  });

  test('used as it is below the root, with its menu', async () => {
    const { 'imgbuild.lock': lock, ...files } = release;
    const tree = Object.fromEntries(Object.entries(files).map(([name, text]) => [`release/${name}`, text]));
    const folder = newRepository({
      ...tree,
      'imgbuild.lock': lock,
      'release/config/Kconfig': 'config OPENVINO\n\tbool "OpenVINO"\nconfig ONNX\n\tbool "ONNX"\n',
      'imgbuild.yaml': 'version: 1\nname: ccai\ninclude: { ccai: release }\n',
    });
    await saveAll(folder);
    writeTree(folder, { 'release/.config': 'CONFIG_OPENVINO=y\nCONFIG_ONNX=y\n' });
    const { layers } = (await plan(folder)).plan;
    expect(layers.map(({ reasons }) => reasons.map(describeReason))).toEqual([
      [],
      ['option ONNX: n → y'],
      ['parent inference_engine changed'],
    ]);
  });

  test('used as it is, says what is wrong at its place', async () => {
    const wrong = async (files: Record<string, string>) => {
      const error = await openProject({ directory: newRepository(files) }).catch((thrown: unknown) => thrown);
      return (error as Failures).failures.map(({ because, at, kind }) => `${kind} ${at!.file}:${at!.line} ${because}`);
    };
    const include = 'version: 1\nname: ccai\ninclude: { ccai: . }\n';
    const { 'docker/Dockerfile.image': _, ...less } = release;
    expect(await wrong({ ...less, 'imgbuild.yaml': include })).toEqual([
      'input release_build.sh:23 there is no docker/Dockerfile.image',
    ]);
    expect(await wrong({ 'imgbuild.yaml': include })).toEqual([
      'input imgbuild.yaml:3 there is no release_build.sh that calls docker_build.sh in .',
    ]);
    expect(
      await wrong({
        ...release,
        'own/Dockerfile': 'FROM scratch\n',
        'imgbuild.yaml': `${include}layers: { openvino_image: { context: own } }\n`,
      }),
    ).toEqual([
      'input imgbuild.yaml:4 layer openvino_image has the name or the image of inference_engine, which release_build.sh makes',
    ]);
    expect(
      await wrong({
        ...release,
        'release_build.sh': script.replace('service_runtime_base:', 'Base:'),
        'imgbuild.yaml': include,
      }),
    ).toEqual(['input release_build.sh:8 image of base: image names are lower case']);
  });
});
