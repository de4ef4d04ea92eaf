/** Run as a process of its own: `layout-writer.ts STORE REPOSITORY COUNT` puts that many tags; `die` holds the lock and is killed. */
import { join } from 'node:path';
import { withFolderLock } from '../../src/store/folder-lock.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putImage } from './content.ts';

const [path, repository, count] = process.argv.slice(2) as [string, string, string];
if (repository === 'die') {
  await withFolderLock(join(path, '.lock'), async () => {
    process.kill(process.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  });
}
const store = new LayoutStore(path);
for (let index = 0; index < Number(count); index++) {
  await putImage(store, repository, `t${index}`, [`shared ${index}`, `${repository} ${index}`]);
}
