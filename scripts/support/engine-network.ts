import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { Failure } from '../../src/failure.ts';
import { run, runChecked } from '../../src/process/run.ts';

/** A bridge of our own with its masquerading: the machine's docker0 and its rules are never touched. */
export interface EngineNetwork {
  bridge: string;
  /** Of the machine's way out, in bytes. */
  mtu: number;
  remove(): Promise<void>;
}

const prefix = 'imgbuild';

function rules(bridge: string, subnet: string): string[][] {
  return [
    ['-t', 'nat', '-I', 'POSTROUTING', '-s', subnet, '!', '-o', bridge, '-j', 'MASQUERADE'],
    ['-I', 'FORWARD', '-i', bridge, '-j', 'ACCEPT'],
    ['-I', 'FORWARD', '-o', bridge, '-j', 'ACCEPT'],
  ];
}

function defaultMtu(): number {
  try {
    const route = readFileSync('/proc/net/route', 'utf8')
      .split('\n')
      .find((line) => line.split('\t')[1] === '00000000');
    return Number(readFileSync(`/sys/class/net/${route!.split('\t')[0]}/mtu`, 'utf8'));
  } catch {
    return 1500;
  }
}

/** 10.213 where the machine doesn't live there itself. */
function block(): string {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const taken = own.some(({ address, netmask }) => address.startsWith('10.') && /^255\.(0|213)\./.test(`${netmask}`));
  return taken ? '172.29' : '10.213';
}

/**
 * Takes the first free bridge name, which making the bridge decides atomically between processes.
 * `isStale` says whether the engine that holds a number is gone for good; its bridge is then made anew.
 */
export async function makeNetwork(
  isStale: (index: number) => Promise<boolean>,
): Promise<EngineNetwork & { index: number }> {
  for (let index = 0; index < 64; index++) {
    const bridge = `${prefix}${index}`;
    let made = await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
    if (made.exitCode !== 0) {
      if (!/exists/i.test(made.stderr)) {
        throw new Failure({
          doing: `making the network bridge ${bridge}`,
          because: made.stderr.trim(),
          fix: 'run as root on a kernel with bridges, with iproute2 installed',
        });
      }
      if (!(await isStale(index))) continue;
      await removeNetwork(index);
      made = await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
      if (made.exitCode !== 0) continue;
    }
    const mtu = defaultMtu();
    const net = `${block()}.${index}`;
    await runChecked('ip', ['link', 'set', bridge, 'mtu', String(mtu)]);
    await runChecked('ip', ['addr', 'add', `${net}.1/24`, 'dev', bridge]);
    await runChecked('ip', ['link', 'set', bridge, 'up']);
    for (const rule of rules(bridge, `${net}.0/24`)) await runChecked('iptables', ['-w', ...rule]);
    return { bridge, mtu, index, remove: () => removeNetwork(index) };
  }
  throw new Failure({
    doing: 'making a network bridge',
    because: `${prefix}0 to ${prefix}63 are all in use`,
    fix: `remove those that no engine uses: ip link delete ${prefix}0`,
  });
}

async function removeNetwork(index: number): Promise<void> {
  const bridge = `${prefix}${index}`;
  for (const net of ['10.213', '172.29']) {
    for (const rule of rules(bridge, `${net}.${index}.0/24`)) {
      await run('iptables', ['-w', ...rule.map((word) => (word === '-I' ? '-D' : word))]);
    }
  }
  await run('ip', ['link', 'delete', bridge]);
}
