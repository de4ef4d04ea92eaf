import * as z from 'zod';

/** As release.json and ota.json are written: keys in the schema's order, two spaces, a newline at the end. */
export function formatDocument<Schema extends z.ZodType>(schema: Schema, value: z.input<Schema>): Buffer {
  return Buffer.from(`${JSON.stringify(schema.parse(value), null, 2)}\n`);
}

/** Throws a RangeError that says what is wrong. */
export function parseDocument<Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new RangeError('it is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new RangeError(`${issue.path.join('.') || 'it'}: ${issue.message}`);
}

/** JSON schema, for the documentation. */
export function schemaOf(schema: z.ZodType): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return `${JSON.stringify({ $schema, ...rest }, null, 2)}\n`;
}
