import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chain, newRepository, type Tree } from '../plan/saved-project.ts';

export const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts');

/** CCAI's layers with a menu that has each kind of option. */
export const tree: Tree = {
  ...chain,
  'imgbuild.yaml': chain['imgbuild.yaml']!.replace('args: { OPENVINO: "y" }', 'options: { kconfig: config/Kconfig }'),
  'docker/engine/Dockerfile':
    'FROM service_runtime_base:ubuntu_20.04\nARG CONFIG_OPENVINO=n\nARG TENSORFLOW\nARG WORKERS\nRUN install\n',
  'config/Kconfig': `mainmenu "CCAI configuration"

menu "Backend"

config OPENVINO
	bool "OpenVINO"
	default y
	help
	  Intel's inference engine.

config TENSORFLOW
	bool "Tensorflow"

config FAST
	bool "Fast kernels"
	depends on TENSORFLOW

endmenu

config WORKERS
	int "Workers"
	range 1 64
	default 4

config GREETING
	string "Greeting"
	default "Hello, 世界"

choice
	prompt "Device"

config CPU
	bool "Processor"

config GPU
	bool "Graphics"
	depends on OPENVINO

endchoice

config BATCHING
	bool
	default y if GPU
`,
};

export const repository = (files: Tree = {}) => newRepository({ ...tree, ...files });

export function imgbuild(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '-C', folder, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, stdout, stderr };
}

export const read = (folder: string, file: string) => readFileSync(path.join(folder, file), 'utf8');
