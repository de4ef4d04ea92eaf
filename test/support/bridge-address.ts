import { networkInterfaces } from 'node:os';
import { runChecked } from '../../src/process/run.ts';

/**
 * Gives this machine the address of Docker's default bridge where it has none (the engines of tests have bridges of their
 * own), so that Dockerfiles which name it find a server there. Returns what takes it away again.
 */
export async function borrowBridgeAddress(address = '172.17.0.1'): Promise<() => Promise<void>> {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  if (own.some((each) => each.address === address)) return () => Promise.resolve();
  await runChecked('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  return async () => void (await runChecked('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']));
}
