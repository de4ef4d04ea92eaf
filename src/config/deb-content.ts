import * as z from 'zod';
import type { DebContent } from './config.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

const types = ['file', 'config', 'dir', 'symlink', 'ghost'] as const;

const owner = text(
  { description: 'A name, or a number; default: root.', examples: ['ccai'], pattern: '^[a-z_0-9][a-z0-9_-]*$' },
  (value) => {
    if (!/^(?:[a-z_][a-z0-9_-]{0,30}|[0-9]{1,7})$/.test(value)) {
      throw new Wrong(
        'this is not the name of a user or group',
        'write a name as in /etc/passwd, or a number in quotes',
      );
    }
    return value;
  },
);

/** One entry of `contents:`. */
export const contentSchema = z
  .strictObject({
    src: z
      .string()
      .meta({
        description:
          "A file, folder or glob, relative to the repository's root; of a symlink, what it points at. Nothing for dir and ghost.",
        examples: ['config/*.conf'],
      })
      .optional(),
    dst: text(
      { description: 'Where it goes on the device: an absolute path.', examples: ['/etc/ccai/'], pattern: '^[/$]' },
      parseTarget,
    ),
    type: z
      .enum(types)
      .meta({
        description:
          'config: dpkg keeps what the administrator makes of it (files below /etc are that by themselves); ghost: made on the device, removed by purge.',
      })
      .default('file'),
    mode: text(
      { description: 'Permission bits in octal, in quotes.', examples: ['"0644"'], pattern: '^0?[0-7]{3,4}$' },
      parseMode,
    ).optional(),
    owner: owner.optional(),
    group: owner.optional(),
  })
  .transform((parsed, context): DebContent => {
    const { src, dst, type, mode, owner: user, group } = parsed;
    const refuse = (key: string, message: string, fix: string) => {
      context.issues.push({ code: 'custom', input: parsed, path: [key], message, params: { fix } });
      return z.NEVER;
    };
    const attributes = {
      ...(mode === undefined ? {} : { mode }),
      ...(user === undefined ? {} : { owner: user }),
      ...(group === undefined ? {} : { group }),
    };
    const given = Object.keys(attributes)[0];
    if (type === 'dir') {
      if (src !== undefined) return refuse('src', 'a dir is made, not copied', 'remove src, or write type: file');
      return { type, dst, ...attributes };
    }
    if (type === 'ghost') {
      if (src !== undefined) return refuse('src', 'a ghost is made on the device', 'remove src, or write type: file');
      if (given !== undefined) return refuse(given, 'a ghost is made on the device', `remove ${given}`);
      if (dst.endsWith('/')) return refuse('dst', 'a ghost is one file', 'write its whole path');
      return { type, dst };
    }
    if (src === undefined) return refuse('dst', 'there is no src', `write what goes to ${dst}: src: config/ccai.conf`);
    if (type === 'symlink') {
      if (given !== undefined) return refuse(given, 'a link has none of its own', `remove ${given}`);
      if (dst.endsWith('/')) return refuse('dst', 'the name of the link is missing', 'write its whole path');
      if (src === '' || /[\n\r\0]/.test(src)) return refuse('src', 'this is no target of a link', 'write a path');
      return { type, src, dst };
    }
    try {
      return { type, src: parsePath(src), dst, ...attributes };
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return refuse('src', error.message, error.fix);
    }
  })
  .meta({ description: 'What is packed, and where it goes.', examples: ['{ src: config, dst: /etc/ccai }'] });

/** An absolute path on the device. Throws a Wrong. */
export function parseTarget(value: string): string {
  // What a variable holds is looked at when it is known.
  if (!value.startsWith('/') && !value.startsWith('${')) {
    throw new Wrong('a path on the device is absolute', `write /${value}`);
  }
  if (/[\n\r\0]/.test(value)) throw new Wrong('the path has a line break or a NUL', 'write it on one line');
  if (value.split('/').includes('..')) throw new Wrong('the path contains ..', 'write it without ..');
  return value;
}

function parseMode(value: string): number {
  if (!/^0?[0-7]{3,4}$/.test(value)) throw new Wrong('this is not a file mode', 'write "0644" or "0755"');
  return Number.parseInt(value, 8);
}
