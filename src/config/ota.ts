import * as z from 'zod';

/** Which deltas a release makes. */
export interface ConfigOta {
  /** How many releases before it get one each. */
  releases: number;
  /** Whether there is also a bundle for devices that have nothing. */
  full: boolean;
}

export const otaSchema = z
  .strictObject({
    releases: z
      .int()
      .min(0)
      .max(50)
      .meta({ description: 'A release makes deltas from this many releases before it.', examples: ['5'] })
      .default(3),
    full: z
      .boolean()
      .meta({
        description: 'A release makes a bundle with all of its images too, for devices that have nothing.',
        examples: ['true'],
      })
      .default(false),
  })
  .meta({ description: 'Deltas for devices.', examples: ['{ releases: 5, full: true }'] });
