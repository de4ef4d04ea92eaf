import { expect } from 'vitest';
import { checkDebs } from '../../../src/deb/check.ts';
import type { Config } from '../../../src/config/config.ts';
import { Failure, Failures } from '../../../src/failure.ts';
import { modelsFolder, writeFiles } from './debian-folder.ts';
import { makeProject } from './project.ts';

export const prefix = 'service-runtime-models-';
export const names = (all: readonly { name: string }[]) => all.map(({ name }) => name.replace(prefix, ''));

export function project(files: Record<string, string>, entry: object = {}, from = 'package/models/debian'): Config {
  const config = makeProject({ models: { from, ...entry } });
  writeFiles(config.root, { 'docker/service/Dockerfile': 'FROM scratch\n', ...files });
  return config;
}

export const failuresOf = async (config: Config): Promise<Failure[]> => {
  const error = await checkDebs(config).catch((caught: unknown) => caught);
  return error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : [];
};

/** The folder of models with another text in one of its files. */
export const changed = (file: string, from: string | RegExp, to: string, entry: object = {}) => {
  const path = `package/models/debian/${file}`;
  const text = modelsFolder[path]!.replace(from, to);
  expect(text).not.toBe(modelsFolder[path]);
  return project({ ...modelsFolder, [path]: text }, entry);
};
