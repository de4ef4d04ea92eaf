import { inject, describe, expect, it } from 'vitest';
import { run, runChecked } from '../../src/process/run.ts';

describe.each(['classic', 'current'] as const)('the %s engine for tests', (name) => {
  const engine = inject('engines')[name];
  it.skipIf(!engine.available)('answers under its own socket, runs a container and reaches the network', async () => {
    if (!engine.available) return;
    const docker = (...args: string[]) => runChecked('docker', args, { env: engine.env });
    expect((await docker('version', '--format', '{{.Server.Version}}')).trim()).toBe(engine.version);
    const driver = (await docker('info', '--format', '{{json .DriverStatus}}')).includes('io.containerd.snapshotter');
    expect(driver).toBe(engine.kind === 'containerd');
    await docker('import', inject('rootfs').tiny, 'tiny:start');
    expect(await docker('run', '--rm', 'tiny:start', 'echo', 'hello')).toBe('hello\n');
    const ping = await run('docker', ['run', '--rm', 'tiny:start', 'ip', 'route'], { env: engine.env });
    expect(ping.stdout.toString()).toMatch(/^default via 10\.213\.|^default via 172\.29\./);
  });
});
