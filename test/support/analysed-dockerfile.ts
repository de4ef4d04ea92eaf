import { analyse } from '../../src/dockerfile/analyse.ts';
import type { Analysis, AnalysisOptions, ImageTraits } from '../../src/dockerfile/analysis.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { Failure } from '../../src/failure.ts';
import { inputLine } from '../../src/plan/input.ts';

// Dockerfiles as analysed for amd64, on images that bring nothing.
export const amd64 = { os: 'linux', architecture: 'amd64' };
export const nothing: ImageTraits = { env: [], onbuild: [] };
export const defaults: AnalysisOptions = { args: {}, platform: amd64, buildPlatform: amd64, traitsOf: () => nothing };
export const read = (source: string, options: Partial<AnalysisOptions> = {}): Analysis =>
  analyse(parseDockerfile(source, 'Dockerfile'), { ...defaults, ...options });
export const lines = (source: string, options: Partial<AnalysisOptions> = {}) =>
  read(source, options).inputs.map(inputLine).toSorted();
export const instructions = (analysis: Analysis) =>
  analysis.inputs.flatMap((input) =>
    input.kind === 'instruction' ? [`${input.stage}.${input.seq} ${input.text}`] : [],
  );
export const args = (analysis: Analysis) =>
  Object.fromEntries(
    analysis.inputs.flatMap((input) => (input.kind === 'arg' ? [[`${input.stage} ${input.name}`, input.value]] : [])),
  );
export const patterns = (source: string, options: Partial<AnalysisOptions> = {}) =>
  read(source, options).files.flatMap((selection) => selection.patterns);
export const references = (analysis: Analysis) => analysis.images.map(({ reference, via }) => `${via} ${reference}`);
export const failure = (source: string, options: Partial<AnalysisOptions> = {}): Failure => {
  try {
    read(source, options);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
};
