import { BrokenContent } from '../oci/broken-content.ts';
import { isDigest } from '../oci/digest.ts';
import { pushScope } from './authorization.ts';
import { RegistryError, registryFailure } from './error.ts';
import type { Answer, Call, Transport } from './transport.ts';

/** Reads of one registry: what is missing is undefined, and what goes wrong names the registry and what was read of it. */
export class Fetcher {
  readonly registry: string;
  readonly transport: Transport;

  constructor(registry: string, transport: Transport) {
    this.registry = registry;
    this.transport = transport;
  }

  /**
   * A read whose 404 means missing. So does a refusal where this login may push: registries that hide what is private
   * refuse what is not there yet, and the first push makes it.
   */
  async read(doing: string, call: Call, repository: string): Promise<Answer | undefined> {
    try {
      return await this.transport.exchange(call);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.missing) return undefined;
      if (!error.denied) throw this.failure(doing, error, 'pull');
      return this.readAsWriter(doing, call, repository, error);
    }
  }

  /** The read that was refused, with the rights of who may push there. */
  async readAsWriter(
    doing: string,
    call: Call,
    repository: string,
    refusal: RegistryError,
  ): Promise<Answer | undefined> {
    const scopes = [pushScope(repository)];
    try {
      if (!(await this.transport.mayPush(repository, call.signal))) throw refusal;
      return await this.transport.exchange({ ...call, scopes });
    } catch (error) {
      if (error instanceof RegistryError && error.missing) return undefined;
      const hidden = error instanceof RegistryError && error.denied && error !== refusal;
      if (hidden && (await this.transport.mayPush(repository, call.signal))) return undefined;
      throw this.failure(doing, error instanceof RegistryError && error.denied ? refusal : error, 'pull');
    }
  }

  failure(doing: string, error: unknown, right: 'pull' | 'push'): unknown {
    return registryFailure(doing, error, this.registry, right);
  }

  /** `ghcr.io/acme/ccai:1.2.0`, for messages. */
  named(repository: string, reference?: string): string {
    const name = `${this.registry}/${repository}`;
    if (reference === undefined) return name;
    return isDigest(reference) ? `${name}@${reference}` : `${name}:${reference}`;
  }

  broken(doing: string, because: string): BrokenContent {
    const fix =
      'build the layer again with `--force`: its tags move to the new one; if it comes back, the registry damages data';
    return new BrokenContent({ doing, because, fix });
  }
}
