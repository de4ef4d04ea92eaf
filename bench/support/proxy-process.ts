/** A counting proxy as a process of its own: what it stands between is measured while this process waits. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startCountingProxy, type CountedRequest } from '../../test/e2e/counting-proxy.ts';

export interface ProxyProcess {
  /** `localhost:PORT`. */
  host: string;
  /** What went through since the last call. */
  take(): Promise<CountedRequest[]>;
  stop(): void;
}

export async function forkProxy(upstream: string): Promise<ProxyProcess> {
  const child = fork(import.meta.filename, [upstream]);
  const [{ host }] = (await once(child, 'message')) as [{ host: string }];
  return {
    host,
    async take() {
      child.send('take');
      const [log] = (await once(child, 'message')) as [CountedRequest[]];
      return log;
    },
    stop: () => void child.kill(),
  };
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const proxy = await startCountingProxy(process.argv[2]!);
  process.on('message', () => process.send!(proxy.log.splice(0)));
  process.on('disconnect', () => process.exit());
  process.send({ host: proxy.host });
}
