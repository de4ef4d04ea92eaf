import type { DebRun } from '../../config/config.ts';
import type { Digest } from '../../oci/digest.ts';
import type { PlatformName } from '../../oci/platform.ts';

/** What the files of a service package are made from. */
export interface Service {
  /** Of the container, the unit (`imgbuild-<name>.service`) and the folder /opt/<name>. */
  name: string;
  package: string;
  /** The configuration's name: updates keep their state in /var/lib/imgbuild/<product>. */
  product: string;
  /** The release as it is tagged, and as dpkg writes it. */
  release: string;
  debianVersion: string;
  /** Path of the image below the store: its key in the state of updates. */
  image: string;
  /** Digest of the image's config: the same in every store. */
  config: Digest;
  /** Under which name it is pulled or loaded. */
  reference: string;
  /** Whether `reference` names a registry that it can be pulled from. */
  pullable: boolean;
  platform: PlatformName;
  run: DebRun;
}

export const unitOf = (service: Service) => `imgbuild-${service.name}.service`;
export const programOf = (service: Service) => `/usr/bin/imgbuild-${service.name}`;
export const stateOf = (service: Service) => `/var/lib/imgbuild/${service.product}`;
/** A copy of the state that was there when this package came: what it says is past. */
export const supersededOf = (service: Service) => `${stateOf(service)}/superseded-by-${service.package}`;
/** Which images of Docker have been found to have which config. */
export const verifiedOf = (service: Service) => `${stateOf(service)}/verified-${service.package}`;
