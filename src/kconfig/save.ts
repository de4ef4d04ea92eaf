import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';

/** Replaces a file below the root whole or not at all; a link stays one. Throws a Failure. */
export async function saveText(root: string, path: string, text: string): Promise<void> {
  const file = join(root, path);
  try {
    const target = await realpath(file).catch(() => file);
    await replaceFile(target, async (handle) => void (await handle.writeFile(text)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const because =
      code === 'ENOENT'
        ? 'its folder is not there'
        : code === 'EACCES' || code === 'EROFS'
          ? 'this user may not write there'
          : message;
    const fix = code === 'ENOENT' ? 'make the folder first' : 'see the cause above';
    throw new Failure({ doing: `writing ${path}`, because, fix, cause: error });
  }
}
