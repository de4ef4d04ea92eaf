import { encodeHeader } from './header.ts';

/** The header of a file with `size` bytes that differs by nothing but name and size: no owner, no clock. */
export function memberHeader(name: string, size: number): Buffer {
  return encodeHeader({
    name,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    linkName: '',
    userName: '',
    groupName: '',
    deviceMajor: 0,
    deviceMinor: 0,
  });
}
