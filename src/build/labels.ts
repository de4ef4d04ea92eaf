import type { PlannedBuild } from '../plan/plan-layers.ts';

/** The label that says which inputs an image was built from. */
export const fingerprintLabel = 'vnd.imgbuild.fingerprint';

/**
 * The layer's own labels, its fingerprint, and the repository that it comes from: nothing that differs between two builds
 * of the same inputs. Revision and run stand in the input manifest.
 */
export function imageLabels({ inputs, planned }: PlannedBuild, source: string | undefined): Record<string, string> {
  const labels: Record<string, string> = { [fingerprintLabel]: planned.fingerprint };
  if (source !== undefined) labels['org.opencontainers.image.source'] = source;
  return { ...labels, ...inputs.link.layer.labels };
}
