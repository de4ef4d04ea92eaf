import { hexOf, type Digest } from '../oci/digest.ts';
import { askDocker, runDocker, type DockerClient } from './docker-client.ts';

/** A name that no registry ever has (RFC 2606): a missing tag fails at once instead of being looked for. */
export const parentRegistry = 'imgbuild.invalid';

const hourMs = 60 * 60 * 1000;

/** Which image it is stands in the tag: two builds at once can't swap parents, and an old tag is never wrong. */
export function parentTag(label: string, config: Digest): string {
  const path = label
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${parentRegistry}/${path === '' ? 'image' : path}:${hexOf(config)}`;
}

/** The tags in a daemon by which its builder finds parents; they stay for the next run and expire when unused. */
export class ParentTags {
  readonly #client: DockerClient;
  readonly #made = new Set<string>();
  readonly #used = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(client: DockerClient) {
    this.#client = client;
  }

  /** Whether the daemon has the image with that config, by whichever name. */
  async has(image: string): Promise<boolean> {
    const { exitCode } = await runDocker(this.#client, ['image', 'inspect', '--format', '{{.Id}}', image]);
    return exitCode === 0;
  }

  async tag(image: string, tag: string, signal: AbortSignal): Promise<void> {
    this.#note(tag, await this.has(tag));
    await askDocker(this.#client, ['tag', image, tag], `naming a parent ${tag}`, signal);
  }

  /** Runs `make`, which leaves an image under the tag, once for however many builds ask for it at once. */
  async once(tag: string, make: () => Promise<void>): Promise<void> {
    const running = this.#running.get(tag);
    if (running) return running;
    const started = make();
    this.#running.set(tag, started);
    try {
      await started;
    } catch (error) {
      this.#running.delete(tag);
      throw error;
    }
  }

  /** To be called before something makes the tag. */
  #note(tag: string, wasThere: boolean): void {
    this.#used.add(tag);
    if (!wasThere) this.#made.add(tag);
  }

  async willMake(tag: string): Promise<void> {
    this.#note(tag, await this.has(tag));
  }

  /** Takes the tags of this run away again. */
  async forget(): Promise<void> {
    await this.#remove([...this.#made]);
    this.#made.clear();
  }

  /** Takes away those that no build used for a day; for an hour, where this run made a newer one of the same layer. */
  async expire(now = Date.now()): Promise<void> {
    const format = '{{.Repository}}:{{.Tag}}';
    const listed = await runDocker(this.#client, ['image', 'ls', '--format', format, `${parentRegistry}/*`]);
    const tags = listed.stdout
      .toString('utf8')
      .trim()
      .split('\n')
      .filter((tag) => tag !== '' && !this.#used.has(tag));
    const old: string[] = [];
    for (const tag of tags) {
      const answer = await runDocker(this.#client, [
        'image',
        'inspect',
        '--format',
        '{{json .Metadata.LastTagTime}}',
        tag,
      ]);
      if (answer.exitCode !== 0) continue;
      const time = Date.parse(JSON.parse(answer.stdout.toString('utf8')) as string);
      const superseded = [...this.#made].some((made) => labelOf(made) === labelOf(tag));
      if (now - time > (superseded ? hourMs : 24 * hourMs)) old.push(tag);
    }
    await this.#remove(old);
  }

  async #remove(tags: readonly string[]): Promise<void> {
    // What is in use elsewhere, or gone already, is no failure of this run.
    if (tags.length > 0) await runDocker(this.#client, ['image', 'rm', '--no-prune', ...tags]);
  }
}

function labelOf(tag: string): string {
  return tag.slice(0, tag.lastIndexOf(':'));
}
