/** The base of what is written in an option of this type; 0: the number itself says it. */
const bases = { int: 10, hex: 16 } as const;

export function baseOf(type: string): 0 | 10 | 16 {
  return type === 'int' || type === 'hex' ? bases[type] : 0;
}

const forms = {
  10: /^([+-]?)()(\d+(?:_\d+)*)$/,
  16: /^([+-]?)(?:0x_?)?()([\da-f]+(?:_[\da-f]+)*)$/i,
  0: /^([+-]?)(0x_?(?=[\da-f])|0o_?(?=[0-7])|0b_?(?=[01])|)([\da-f]+(?:_[\da-f]+)*)$/i,
};

/** As Python's int() reads it, which Kconfig tools in Python take for the rule; undefined where it is no number. */
export function parseNumber(text: string, base: 0 | 10 | 16): bigint | undefined {
  const match = forms[base].exec(text.trim());
  if (!match) return undefined;
  const [, sign, prefix = '', written] = match;
  const digits = written!.replaceAll('_', '');
  const kind = base === 16 ? '0x' : prefix.slice(0, 2).toLowerCase();
  if (base === 0 && kind === '' && !/^(0+|[1-9]\d*)$/.test(digits)) return undefined;
  try {
    const value = BigInt(kind + digits);
    return sign === '-' ? -value : value;
  } catch {
    return undefined;
  }
}

export function formatNumber(value: bigint, type: 'int' | 'hex'): string {
  if (type === 'int') return value.toString();
  return `${value < 0n ? '-' : ''}0x${(value < 0n ? -value : value).toString(16)}`;
}

/** By code points: less than, equal to or greater than zero. */
export function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
