import { parseVersion, type Version } from '../release/version.ts';
import { textInput, wrongInput } from './inputs.ts';

/** The version that is given, else the one that the tag stands for which started the workflow. Without `v`. */
export function versionInput(name: string, env: NodeJS.ProcessEnv = process.env): Version {
  const version = optionalVersionInput(name, env);
  if (version !== undefined) return version;
  throw wrongInput(name, 'it is not set, and no tag started this workflow', `set \`${name}:\`, or push a tag v1.2.0`);
}

/** … and undefined where there is neither. */
export function optionalVersionInput(name: string, env: NodeJS.ProcessEnv = process.env): Version | undefined {
  const given = textInput(name);
  if (given !== undefined) return parseVersion(given);
  const isTag = env.GITHUB_REF_TYPE === 'tag' && env.GITHUB_REF_NAME;
  return isTag ? parseVersion(env.GITHUB_REF_NAME!) : undefined;
}
