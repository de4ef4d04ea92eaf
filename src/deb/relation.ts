/** One package of a relationship field: `libssl3 (>= 3.0)`. */
export interface Relation {
  name: string;
  /** `any`, or an architecture, after a colon. */
  qualifier?: string;
  version?: { operator: '<<' | '<=' | '=' | '>=' | '>>'; version: string };
}

const packageName = '[a-z0-9][a-z0-9+.-]+';
const pattern = new RegExp(
  `^(?<name>${packageName})(?::(?<qualifier>[a-z0-9-]+))?(?:\\s*\\(\\s*(?<operator><<|<=|=|>=|>>)\\s*(?<version>\\S+?)\\s*\\))?$`,
);
/** deb-version(7): an epoch, an upstream version that begins with a digit, a revision. */
const versionPattern = /^(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*$/;

export function isPackageName(text: string): boolean {
  return new RegExp(`^${packageName}$`).test(text);
}

export function isDebianVersion(text: string): boolean {
  return versionPattern.test(text) && !text.endsWith('-');
}

/** How a field may name packages: alternatives with `|`; a version in every way, with `=` alone, or not at all. */
export interface RelationRules {
  alternatives: boolean;
  operators: 'any' | 'equal';
}

/**
 * Reads one entry of Depends and its like (debian-policy 7.1): alternatives separated by `|`.
 * Throws a RangeError that says what is wrong.
 */
export function parseRelation(text: string, rules: RelationRules): Relation[] {
  if (/[\n\r]/.test(text)) throw new RangeError('it has a line break, which would begin another field');
  if (text.includes(',')) throw new RangeError('it has a comma: write each package as an entry of its own');
  const parts = text.split('|').map((part) => part.trim());
  if (parts.length > 1 && !rules.alternatives) throw new RangeError('alternatives with | are not allowed here');
  return parts.map((part) => parseOne(part, rules));
}

function parseOne(text: string, rules: RelationRules): Relation {
  const groups = pattern.exec(text)?.groups;
  if (groups === undefined) {
    const single = /\(\s*[<>]\s*[0-9]/.test(text);
    throw new RangeError(
      single
        ? `${JSON.stringify(text)} compares with a lone < or >: write << or <=, >> or >=`
        : `${JSON.stringify(text)} is not a package, as in libssl3 or libssl3 (>= 3.0)`,
    );
  }
  const { name, qualifier, operator, version } = groups;
  const relation: Relation = { name: name! };
  if (qualifier !== undefined) relation.qualifier = qualifier;
  if (operator !== undefined) {
    if (!isDebianVersion(version!)) throw new RangeError(`${JSON.stringify(version)} is not a Debian version`);
    if (rules.operators === 'equal' && operator !== '=') throw new RangeError(`only = may stand here, not ${operator}`);
    relation.version = { operator: operator as NonNullable<Relation['version']>['operator'], version: version! };
  }
  return relation;
}

/** As dpkg writes it: one space before the bracket, none inside but after the operator. */
export function formatRelation(alternatives: readonly Relation[]): string {
  return alternatives
    .map(({ name, qualifier, version }) => {
      const of = qualifier === undefined ? name : `${name}:${qualifier}`;
      return version === undefined ? of : `${of} (${version.operator} ${version.version})`;
    })
    .join(' | ');
}
