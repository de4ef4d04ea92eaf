import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon } from '../../scripts/support/daemon.ts';

export interface DistributionOptions {
  /** `docker-registry` of the distribution, or a `registry` built from its source. */
  program: string;
  /** bcrypt lines, as htpasswd writes them. */
  htpasswd?: string;
  tls?: { certificate: string; key: string };
  token?: { realm: string; service: string; issuer: string; certificate: string };
}

export interface RegistryProcess {
  /** `localhost:PORT`. */
  host: string;
  /** Where its data lie: the file system driver's root. */
  data: string;
  stop(): Promise<void>;
}

/** Starts a distribution registry on a free port of this machine, with a file system of its own. */
export async function startDistribution(options: DistributionOptions): Promise<RegistryProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'imgbuild-registry-'));
  const data = join(folder, 'data');
  const log = join(folder, 'log');
  await mkdir(data);
  const lines = [
    'version: 0.1',
    'log: { level: info }',
    'storage:',
    `  filesystem: { rootdirectory: ${data} }`,
    '  delete: { enabled: true }',
    'http:',
    '  addr: 127.0.0.1:0',
  ];
  if (options.tls !== undefined) {
    lines.push(`  tls: { certificate: ${options.tls.certificate}, key: ${options.tls.key} }`);
  }
  if (options.htpasswd !== undefined) {
    await writeFile(join(folder, 'htpasswd'), options.htpasswd);
    lines.push('auth:', `  htpasswd: { realm: test, path: ${join(folder, 'htpasswd')} }`);
  }
  if (options.token !== undefined) {
    const { realm, service, issuer, certificate } = options.token;
    lines.push('auth:', '  token:', `    realm: ${realm}`, `    service: ${service}`, `    issuer: ${issuer}`);
    lines.push(`    rootcertbundle: ${certificate}`);
  }
  const config = join(folder, 'config.yml');
  await writeFile(config, `${lines.join('\n')}\n`);
  // Its own telemetry would wait for a collector that is not there.
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
  const daemon = startDaemon(options.program, ['serve', config], { env, log, keep: false });
  for (let waited = 0; waited < 200; waited++) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(await readFile(log, 'utf8').catch(() => ''))?.[1];
    if (port !== undefined) {
      const stop = async () => {
        await daemon.stop();
        await rm(folder, { recursive: true, force: true });
      };
      return { host: `localhost:${port}`, data, stop };
    }
    if (!daemon.running()) break;
    await sleep(50);
  }
  const said = daemon.lastLines();
  await daemon.stop();
  throw new Error(`${options.program} does not listen: ${said}`);
}
