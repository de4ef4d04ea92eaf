import * as z from 'zod';
import { isDigest, type Digest } from '../oci/digest.ts';

export const digest = z
  .string()
  .refine((value): value is Digest => isDigest(value), 'a sha256 digest is needed')
  .meta({ pattern: '^sha256:[0-9a-f]{64}$' });
export const hex = z.string().regex(/^[0-9a-f]{64}$/);
export const size = z.int().min(0).meta({ description: 'In bytes.' });
export const platform = z.string().meta({ description: 'OS/ARCH or OS/ARCH/VARIANT', examples: ['linux/amd64'] });
export const sha256 = hex.meta({ description: "Of the file's bytes." });
export const fileName = z.string().meta({ description: 'Name of the file, without a folder.' });
export const packageName = z.object({ name: z.string(), version: z.string(), architecture: z.string() });

/** What release.json and ota.json say alike of a bundle. */
export const deltaFields = z.object({
  from: z.string(),
  to: z.string(),
  platform,
  file: fileName,
  size,
  sha256,
  needs: z.int().min(1).optional().meta({
    description: 'The version of formats that a device must know to read it; 1 where it is missing.',
  }),
  packages: z
    .array(packageName)
    .optional()
    .meta({ description: 'Packages that others are made from: these versions must be installed on the device.' }),
});
