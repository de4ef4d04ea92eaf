import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/config/check.ts';

const sha256 = 'ab'.repeat(32);
const check = (model: string) =>
  checkConfig(`version: 1\nname: x\nlayers: { a: { context: a } }\nmodels:\n  m: ${model}\n`, '/r/imgbuild.yaml');
const parse = (model: string) => {
  const { config, failures } = check(model);
  expect(failures).toEqual([]);
  return config!.models[0]!;
};

describe('a model', () => {
  test('with a source of each kind comes out typed', () => {
    expect(parse(`{ source: { url: "https://e.org/a/yolo%20x.bin?v=1#top", sha256: ${sha256} } }`).sources).toEqual([
      { from: 'url', url: 'https://e.org/a/yolo%20x.bin?v=1', sha256, as: 'yolo x.bin' },
    ]);
    expect(parse(`{ source: [{ path: /mnt/a.bin, sha256: ${sha256}, as: w/b.bin }] }`).sources).toEqual([
      { from: 'path', path: '/mnt/a.bin', sha256, as: 'w/b.bin' },
    ]);
    expect(parse(`{ source: { oci: "ghcr.io/a/b:1", sha256: ${sha256} } }`).sources).toEqual([
      {
        from: 'oci',
        reference: { registry: 'ghcr.io', repository: 'a/b', tag: '1' },
        text: 'ghcr.io/a/b:1',
        sha256,
      },
    ]);
    expect(parse(`{ source: { oci: "ghcr.io/a/b@sha256:${sha256}" } }`).sources).toMatchObject([{ sha256 }]);
  });

  test('with everything', () => {
    const convert =
      '{ command: [python3, t.py, "${source}/a", "${output}"], inputs: [./t.py], outputs: [b.bin], version: "2" }';
    expect(
      parse(`{ files: [a], convert: ${convert}, license: MIT, format: onnx, targets: [deb, modelpack, deb] }`),
    ).toEqual({
      name: 'm',
      files: ['a'],
      sources: [],
      convert: {
        command: ['python3', 't.py', '${source}/a', '${output}'],
        inputs: ['t.py'],
        outputs: ['b.bin'],
        version: '2',
      },
      license: 'MIT',
      format: 'onnx',
      targets: ['deb', 'modelpack'],
    });
  });
});

describe('what is wrong is told where it stands, with what to write', () => {
  test.each([
    ['{}', 'the model consists of nothing', 'write files:', '{}'],
    [
      '{ source: { url: "https://e.org/a" } }',
      'the source has no checksum',
      'curl -fL https://e.org/a | sha256sum',
      '"https',
    ],
    ['{ source: [{ path: /a/b }] }', 'the source has no checksum', 'sha256sum /a/b', '/a/b'],
    ['{ source: { oci: "ghcr.io/a/b:1" } }', 'the source has no checksum', 'ghcr.io/a/b:1@sha256:HEX', '"ghcr'],
    [`{ source: { oci: "a/b", sha256: ${sha256} } }`, 'a registry is missing in front', 'HOST', '"a/b"'],
    [
      `{ source: { oci: "g.io/a@sha256:${'0'.repeat(64)}", sha256: ${sha256} } }`,
      'another digest',
      'one of them',
      sha256,
    ],
    [
      `{ source: { oci: "g.io/a", sha256: ${sha256}, as: b } }`,
      'an artifact names its files itself',
      'remove as:',
      'b }',
    ],
    ['{ source: { sha256: abc } }', 'this is not a sha256', '64 hex digits', 'abc'],
    [
      `{ source: { url: "https://e.org/a", sha256: "sha256:${sha256}" } }`,
      'this is not a sha256',
      `write ${sha256}`,
      '"sha256:',
    ],
    [`{ source: { sha256: ${sha256} } }`, 'the source comes from nowhere', 'write one of url:', '{ sha256'],
    [
      `{ source: { url: "https://e.org/a", path: b, sha256: ${sha256} } }`,
      'from several places',
      'write one of',
      '{ url',
    ],
    [`{ source: { url: "ftp://e.org/a", sha256: ${sha256} } }`, 'not a URL of a web server', 'https://', '"ftp'],
    [`{ source: { url: "https://u:p@e.org/a", sha256: ${sha256} } }`, 'holds a login', 'without', '"https'],
    [`{ source: { url: "https://e.org/", sha256: ${sha256} } }`, 'what the file is called', 'as: NAME', '"https'],
    [`{ source: { url: "https://e.org/..%2Fa", sha256: ${sha256} } }`, 'what the file is called', 'as: NAME', '"https'],
    [`{ source: { url: "https://e.org/a", sha256: ${sha256}, as: ../a } }`, 'leaves the model', 'below', '../a'],
    ['{ source: { urll: x } }', 'there is no key "urll" in models.m.source', 'did you mean url?', 'urll'],
    ['{ source: [{ urll: x }] }', 'there is no key "urll" in models.m.source.0', 'did you mean url?', 'urll'],
    ['{ source: 5 }', 'a map (KEY: VALUE lines) is needed', 'source: { url', '5'],
    ['{ source: [] }', 'the list is empty', 'write one', '[]'],
    ['{ files: [a], targets: [rpm] }', '"rpm" is not a value', 'modelpack, deb', 'rpm'],
    ['{ files: [a], convert: { command: [], outputs: [a] } }', 'the list is empty', 'write one', '[]'],
    ['{ files: [a], convert: { command: [a] } }', 'the key "outputs" is missing', 'outputs: [yolo.xml', 'convert'],
    [
      '{ files: [a], convert: { command: ["${in}"], outputs: [a] } }',
      '${in} stands for nothing',
      '${source}',
      '"${in}"',
    ],
    ['{ files: [a], convert: { command: [a], outputs: [/b] } }', 'the path is absolute', 'the output folder', '/b'],
    ['{ files: [a], convert: { command: [a], outputs: ["b/"] } }', 'this is a folder', 'path of a file', '"b/"'],
  ])('%s', (model, because, fix, at) => {
    const failure = check(model).failures.find((each) => each.because.includes(because))!;
    expect(failure, JSON.stringify(check(model).failures)).toBeDefined();
    expect(failure.fix).toContain(fix);
    expect(failure.at!.text.slice(failure.at!.column - 1)).toSatisfy((text: string) => text.startsWith(at));
  });
});
