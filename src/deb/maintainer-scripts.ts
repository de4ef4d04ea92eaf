import type { Trouble } from './draft.ts';

export const scriptNames = ['preinst', 'postinst', 'prerm', 'postrm'] as const;
export type ScriptName = (typeof scriptNames)[number];

/** Texts of programs. */
export type MaintainerScripts = Partial<Record<ScriptName, string>>;

/** Scripts that the user wrote. */
export type OwnScripts = Partial<Record<ScriptName, { text: string; trouble: Trouble }>>;

/** Pieces of shell for each script, in the order in which they run. */
export type Snippets = Record<ScriptName, string[]>;

export const noSnippets = (): Snippets => ({ preinst: [], postinst: [], prerm: [], postrm: [] });

export const scriptHead = '#!/bin/sh\nset -e\n';

const token = /^[ \t]*#DEBHELPER#[ \t]*$/m;

/**
 * Joins what the user wrote with what is added to it, as dh_installdeb does: at the line #DEBHELPER#, or in a script
 * of its own. Throws a Failure where there is something to add and no such line.
 */
export function assembleScripts(own: OwnScripts, snippets: Snippets): MaintainerScripts {
  const scripts: MaintainerScripts = {};
  for (const name of scriptNames) {
    const added = snippets[name].map((text) => `${text.trimEnd()}\n`).join('\n');
    const written = own[name];
    if (written === undefined) {
      if (added !== '') scripts[name] = `${scriptHead}\n${added}`;
      continue;
    }
    if (!written.text.startsWith('#!')) {
      throw written.trouble(`the ${name} script does not begin with #!`, 'begin it with #!/bin/sh');
    }
    const marked = token.test(written.text);
    if (added !== '' && !marked) {
      const because = `the ${name} script has no line #DEBHELPER#, and units, users or owners need theirs there`;
      throw written.trouble(because, 'write #DEBHELPER# on a line of its own, before exit 0');
    }
    scripts[name] = written.text.replace(token, () => added.trimEnd());
  }
  return scripts;
}
