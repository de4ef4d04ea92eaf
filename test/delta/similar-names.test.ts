import { expect, test } from 'vitest';
import { indexSources, type OldFile } from '../../src/delta/old-tree.ts';

let number = 0;
const file = (path: string): OldFile => ({ path, size: 1_000, hash: `${number++}` });

test.each([
  ['usr/lib/libfoo.so.1.2', 'usr/lib/libfoo.so.1.3.1'],
  ['lib/PyYAML-6.0.dist-info/RECORD', 'lib/pyyaml-6.0.1.dist-info/RECORD'],
  ['lib/zope.interface-5.0.dist-info/METADATA', 'lib/zope_interface-5.1.post1.dist-info/METADATA'],
  ['share/Model-1.0.0-beta.2.bin', 'share/model-1.0.0.bin'],
  ['archives/foo_1.1+dfsg-2_amd64.deb', 'archives/foo_1.1+dfsg-2~deb12u1_amd64.deb'],
  ['boot/vmlinuz-5.10.0-21-amd64', 'boot/vmlinuz-5.10.0-23-amd64'],
  ['static/app.3f2a9bc1.js', 'static/app.77aa01bc9.js'],
])('%s is what %s is made from', (old, path) => {
  const others = [
    'usr/lib/libbar.so.1.2',
    'lib/attrs-6.0.dist-info/LICENSE',
    'share/mode-1.bin',
    'boot/initrd.img-5.10.0-21',
  ];
  const files = [...others, old].map(file);
  const wanted = file(path);
  expect(indexSources(files, [wanted]).sourceOf(wanted)).toMatchObject({ kind: 'similar', old: { path: old } });
});

test.each([
  ['bin/abc', 'bin/abd'],
  ['lib/graphics.py', 'lib/graph.py'],
  ['share/table-a.txt', 'share/table-b.txt'],
])('%s and %s have nothing in common', (old, path) => {
  const wanted = file(path);
  expect(indexSources([file(old)], [wanted]).sourceOf(wanted).kind).toBe('none');
});
