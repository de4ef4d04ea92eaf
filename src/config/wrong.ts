import * as z from 'zod';

/** Why a text of the configuration is not what its key needs, and what to write. Thrown by the parsers of values. */
export class Wrong extends Error {
  readonly fix: string;

  constructor(because: string, fix: string) {
    super(because);
    this.fix = fix;
  }
}

/** What the JSON schema says about a value, and the example that errors show. */
export interface ValueMeta {
  description: string;
  examples?: string[];
  pattern?: string;
}

/** A string that is parsed once into `T`. `parse` throws a Wrong. */
export function text<T>(meta: ValueMeta, parse: (text: string) => T) {
  return z
    .string()
    .meta({ ...meta })
    .transform((value, context): T => {
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        context.issues.push({ code: 'custom', input: value, message: error.message, params: { fix: error.fix } });
        return z.NEVER;
      }
    });
}

/** A key of a map by names. `parse` throws a Wrong. */
export function key(meta: ValueMeta, parse: (text: string) => unknown) {
  return z
    .string()
    .meta({ ...meta })
    .superRefine((value, context) => {
      try {
        parse(value);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        context.addIssue({ code: 'custom', message: error.message, params: { fix: error.fix } });
      }
    });
}
