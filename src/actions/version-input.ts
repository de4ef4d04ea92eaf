import { parseVersion, type Version } from '../release/version.ts';
import { textInput, wrongInput } from './inputs.ts';

/** The version that is given, else the one that the tag stands for which started the workflow. Without `v`. */
export function versionInput(name: string, env: NodeJS.ProcessEnv = process.env): Version {
  const given = textInput(name);
  if (given !== undefined) return parseVersion(given);
  if (env.GITHUB_REF_TYPE === 'tag' && env.GITHUB_REF_NAME) return parseVersion(env.GITHUB_REF_NAME);
  throw wrongInput(name, 'it is not set, and no tag started this workflow', `set \`${name}:\`, or push a tag v1.2.0`);
}
