import { troubleAt } from '../draft.ts';
import { otherThanArchitecture } from '../architecture.ts';
import { problemOfArchitecture, problemOfLine, problemOfMaintainer, problemOfSection } from '../control.ts';
import type { DeclaredFields } from '../fields.ts';
import { throwAll } from '../trouble.ts';
import type { Failure } from '../../failure.ts';
import type { ControlField, ControlFile, ControlStanza } from './control-file.ts';
import { readRelations } from './relations.ts';
import type { TextFile } from './text-file.ts';

export interface FieldsContext {
  control: ControlFile;
  file: TextFile;
  version: string;
  sourceName: string;
  /** What debhelper asks for by `${misc:Depends}`. */
  miscDepends: string;
  /** Gets why only dpkg-buildpackage can know a value. */
  reasons: string[];
}

/** Variables that tools find in what was built (deb-substvars(5)). */
const builtVariables = /^(?:shlibs|perl|python3?|ocaml|haskell|sphinxdoc|gir|node|php|ruby|golang|cargo|rust|t64):/;

const relationFields = {
  preDepends: ['pre-depends', true],
  depends: ['depends', true],
  recommends: ['recommends', true],
  suggests: ['suggests', true],
  enhances: ['enhances', false],
  breaks: ['breaks', false],
  conflicts: ['conflicts', false],
  replaces: ['replaces', false],
  provides: ['provides', false],
} as const;

/** The fields of a binary package, as dpkg-gencontrol makes them. Throws all that is wrong, at its line. */
export function binaryFields(stanza: ControlStanza, context: FieldsContext, architecture: string): DeclaredFields {
  const { control, file, sourceName } = context;
  const failures: Failure[] = [];
  const name = stanza.fields.get('package')!;
  const refuse = (field: ControlField, because: string | undefined, fix: string) => {
    if (because !== undefined) failures.push(troubleAt(file.at(field.line), `${field.name}: ${because}`, fix));
  };
  const find = (key: string) => {
    const found = stanza.fields.get(key) ?? control.source.fields.get(key);
    return found === undefined || found.value.trim() === '' ? undefined : found;
  };
  const expanded = (field: ControlField, isList = false) =>
    expandSubstvars(field, context, architecture, refuse, isList);
  const line = (key: string, problem = problemOfLine, fix = 'write it on one line') => {
    const field = find(key);
    if (field === undefined) return undefined;
    const value = expanded(field);
    refuse(field, problem(value), fix);
    return value;
  };

  const maintainer = line('maintainer', problemOfMaintainer, 'write NAME <ADDRESS>');
  if (maintainer === undefined) refuse(name, 'there is no Maintainer', 'write Maintainer: NAME <ADDRESS> above');
  const section = line('section', problemOfSection, 'write one of the sections of Debian, as in misc') ?? 'misc';
  const priority = line(
    'priority',
    (value) => (/^[a-z]+$/.test(value) ? undefined : 'it is no priority'),
    'write optional',
  );
  const multiArch = line(
    'multi-arch',
    (value) => (/^(?:no|same|foreign|allowed)$/.test(value) ? undefined : 'it is none of its values'),
    'write foreign, same or allowed',
  );
  const homepage = line('homepage');
  const own = stanza.fields.get('architecture');
  if (own !== undefined) {
    for (const word of own.value.split(/\s+/)) {
      if (!/^(?:any|linux-any|any-[a-z0-9]+)$/.test(word)) {
        const fix = otherThanArchitecture(word);
        const problem = problemOfArchitecture(word) ?? (fix && `dpkg knows no architecture ${word}`);
        refuse(own, problem, fix ?? 'write all, any, or names as in `dpkg --print-architecture`');
      }
    }
  }
  const described = stanza.fields.get('description');
  const [synopsis = '', ...rest] = described === undefined ? [] : expanded(described).split('\n');
  if (described === undefined) refuse(name, 'there is no Description', 'write Description: WHAT IT IS below');
  else {
    refuse(described, problemOfLine(synopsis), 'write one line on what the package is');
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    const isBinary = rest.some((each) => /[\u0000-\u0008\u000b-\u001f\u007f]/.test(each));
    refuse(described, isBinary ? 'it has a control character' : undefined, 'write plain text');
  }

  const relations = {} as Record<keyof typeof relationFields, string[]>;
  for (const [key, [fieldName, alternatives]] of Object.entries(relationFields)) {
    const field = stanza.fields.get(fieldName);
    relations[key as keyof typeof relationFields] = [];
    if (field === undefined) continue;
    try {
      const rules = { alternatives, operators: key === 'provides' ? 'equal' : 'any' } as const;
      relations[key as keyof typeof relationFields] = readRelations(expanded(field, true), rules, architecture);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      refuse(field, error.message, 'write PACKAGE, PACKAGE (>= VERSION), or A | B');
    }
  }
  throwAll(failures);
  return {
    maintainer: maintainer!,
    section,
    ...relations,
    // As dpkg-gencontrol: only where it differs.
    ...(sourceName === name.value ? {} : { source: sourceName }),
    ...(priority === undefined ? {} : { priority }),
    ...(multiArch === undefined || multiArch === 'no' ? {} : { multiArch }),
    ...(homepage === undefined ? {} : { homepage }),
    synopsis: synopsis.trim(),
    extended: rest.map((each) => (each.trim() === '.' ? '' : each)).join('\n'),
  };
}

function expandSubstvars(
  field: ControlField,
  { version, reasons, file, miscDepends }: FieldsContext,
  architecture: string,
  refuse: (field: ControlField, because: string, fix: string) => void,
  isList: boolean,
): string {
  const upstream = version.replace(/-[^-]*$/, '');
  const known: Record<string, string> = {
    'binary:Version': version,
    'source:Version': version,
    'source:Upstream-Version': upstream.replace(/^[0-9]+:/, ''),
    'Source-Version': version,
    Arch: architecture,
    Newline: '\n',
    Space: ' ',
    Tab: '\t',
    'misc:Depends': miscDepends,
    'misc:Pre-Depends': '',
    'misc:Recommends': '',
    'misc:Suggests': '',
    'misc:Breaks': '',
    'misc:Built-Using': '',
  };
  return field.value.replaceAll(/\$\{([^}]*)\}/g, (all, name: string) => {
    const value = known[name];
    if (value !== undefined) return value;
    if (isList && builtVariables.test(name))
      reasons.push(`${file.path}:${field.line}: ${all} is found in what was built`);
    else refuse(field, `${all} is no variable that is known here`, 'write its value');
    return '';
  });
}
