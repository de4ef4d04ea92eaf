import type { NeededProgram } from '../build/examine.ts';
import type { Config } from '../config/config.ts';
import { readDebianFolder } from '../deb/debian/source.ts';
import { noRelease } from '../deb/source-date.ts';
import { variablesOf } from '../deb/variables.ts';
import { Failure, Failures } from '../failure.ts';

/** Programs that packages of this configuration cannot be made without. A folder that cannot be read tells by itself. */
export async function neededPrograms(config: Config, env: NodeJS.ProcessEnv): Promise<NeededProgram[]> {
  const built: string[] = [];
  for (const deb of config.debs) {
    if (deb.from === undefined || deb.off === true) continue;
    try {
      const source = await readDebianFolder(config, deb, { version: noRelease, variables: variablesOf(config, env) });
      if (source.reasons.length > 0) built.push(source.folder);
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof Failures)) throw error;
    }
  }
  if (built.length === 0) return [];
  const what = `builds the packages of ${built.join(', ')}`;
  return [{ name: 'dpkg-buildpackage', packages: 'dpkg-dev debhelper', what }];
}
