import * as z from 'zod';
import { entryChanges } from './totals.ts';

/**
 * Of the compressed account, and of its JSON, in bytes: more is neither written nor read. docs/layer-delta-format.md
 * describes the document for those who write another reader.
 */
export const accountLimits = { packed: 16 * 1024 * 1024, text: 64 * 1024 * 1024 };

const whole = z.int().min(0);
/** Entries, bytes of their contents, bytes of the bundle. */
const total = z.tuple([whole, whole, whole]);
const kind = z.enum(entryChanges);
const totals = z.partialRecord(kind, total);
const folder = { folder: z.string(), files: whole, bytes: whole };
const advice = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('left-behind'), ...folder }),
  z.object({ kind: z.literal('bytecode-times'), ...folder }),
  z.object({ kind: z.literal('only-times'), bytes: whole }),
  z.object({ kind: z.literal('compressed'), path: z.string(), bytes: whole }),
]);

export const accountSchema = z.object({
  schema: z.literal(1),
  layers: z.array(z.object({ layer: whole, totals, advice: z.array(advice).optional() })).max(1024),
  packages: z
    .object({
      listed: z.array(
        z.object({ kind: z.enum(['dpkg', 'python']), name: z.string(), version: z.string().optional(), totals }),
      ),
      others: z.object({ count: whole, totals }).optional(),
      none: totals,
    })
    .nullable(),
  /** layer, kind, size, bytes, number of the package or -1, path, source or '', differing where it is known. */
  files: z.array(z.tuple([whole, kind, whole, whole, z.int().min(-1), z.string(), z.string(), whole.optional()])),
});

export type AccountDocument = z.infer<typeof accountSchema>;
