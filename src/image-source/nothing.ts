import type { ImageSet } from './image.ts';

/** What a device has that has nothing: `none` where images are named. */
export const nothing: ImageSet = { name: 'none', version: 'none', images: [], async close() {} };
