import * as z from 'zod';

/** Which deltas a release makes. */
export interface ConfigOta {
  /** How many releases before it get one each. */
  releases: number;
  /** Whether there is also a bundle for devices that have nothing. */
  full: boolean;
  /** Whether bundles carry the packages of the release, too. */
  packages: boolean;
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
    packages: z
      .boolean()
      .meta({
        description: "Deltas carry the release's Debian packages that changed, for the hosts of its images.",
        examples: ['false'],
      })
      .default(true),
  })
  .meta({ description: 'Deltas for devices.', examples: ['{ releases: 5, full: true }'] });
