import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { Failures } from '../../src/failure.ts';
import { errorsOf, head, layers, root } from '../support/config-file.ts';

test('a bracket that is not closed is one error, not one for each line that follows', async () => {
  const layer = (name: string) => `  ${name}:\n    context: docker/${name}\n    image: ${name}\n`;
  const errors = await errorsOf(`${head}layers: [\n${['base', 'engine', 'service'].map(layer).join('')}`);
  expect(errors).toEqual([expect.stringContaining('end with a ]')]);
});

test('brackets and a quote that are open at the end of the text are told once', async () => {
  for (const [text, because] of [
    ['layers: {base: {context: docker/base, image: base:1', 'end with a }'],
    ['layers: {base: [{context: docker/base, image: "base:1', 'missing closing "quote'],
  ] as const) {
    expect(await errorsOf(`${head}${text}`)).toEqual([expect.stringContaining(because)]);
  }
});

describe('errors', () => {
  const cases: Record<string, [text: string, ...expected: string[]]> = {
    'unknown key': [
      layers('base: { context: docker/base, imag: b }'),
      '4:33+4 there is no key "imag" in layers.base | did you mean image?',
    ],
    'unknown key at the top': [
      `${layers('base: { context: docker/base }')}stroe: x\n`,
      '5:1+5 there is no key "stroe" at the top | did you mean store?',
    ],
    'wrong type': [
      layers('base: { context: docker/base, git: maybe }'),
      '4:38+5 true or false is needed, not the text "maybe" | write, for example, git: true',
    ],
    'a number where a text is needed': [
      layers('base: { context: docker/base, args: { V: 1.10 } }'),
      '4:44+4 YAML reads 1.10 as a number, and a text is needed | write "1.10", in quotes',
    ],
    'missing key': [
      layers('base: { image: b }'),
      '4:3+4 the key "context" is missing in layers.base | write, for example, context: docker/base',
    ],
    'missing version': [
      'name: x\nlayers: { base: { context: docker/base } }\n',
      '1:1+7 the key "version" is missing at the top | write version: 1',
    ],
    'unknown value': [
      layers('base: { context: docker/base, refresh: montly }'),
      '4:42+6 "montly" is not a value of refresh | did you mean monthly? It takes daily, weekly, monthly',
    ],
    'no layer': [`${head}layers: {}\n`, '3:1+6 there is no layer | write one: base: { context: docker/base }'],
    'nothing after a key': [
      `${layers('base: { context: docker/base }')}debs:\n`,
      '5:1+4 nothing stands after debs: | write, for example, debs: {}',
    ],
    'duplicate key': [
      layers('base: { context: docker/base }', 'base: { context: docker/engine }'),
      '5:3+4 this key stands here twice | keep one of the two',
    ],
    'merge key': [
      layers('base: &b { context: docker/base }', 'other: { <<: *b, context: docker/base }'),
      '5:12+2 there is no key "<<" in layers.other | write the keys out: merge keys are not read',
    ],
    'a tab': [`${head}layers:\n\tbase: x\n`, expect.stringContaining('4:1')],
    'two layers with one image': [
      layers('base: { context: docker/base, image: x }', 'other: { context: docker/base, image: "x:latest" }'),
      '5:41+10 layers base and other have one image, x:latest | give one of them another name or tag',
    ],
    'an image that is also a base': [
      `${layers('base: { context: docker/base, image: "debian:12" }')}bases: { "docker.io/debian:12": oci:./d }\n`,
      '5:10+21 docker.io/debian:12 is the image of layer base: it is built here, not taken from elsewhere | remove it, or rename the image',
    ],
    'image with a registry': [
      layers('base: { context: docker/base, image: "ghcr.io/acme/base:1" }'),
      '4:40+21 ghcr.io is a registry: where images are saved is for store: to say | write acme/base:1 here, and store: ghcr.io/…',
    ],
    'image in upper case': [
      layers('base: { context: docker/base, image: "Base:V1" }'),
      '4:40+9 image names are lower case | write base:V1',
    ],
    'image with __': [
      layers('base: { context: docker/base, image: a__b }'),
      '4:40+4 names with __ are kept for imgbuild | write a_b',
    ],
    'image named releases': [
      layers('releases: { context: docker/base }', 'b: { context: docker/base, image: "models/x" }'),
      '4:3+8 releases is where the store keeps its releases | write image: NAME for this layer',
      '5:37+10 models/… is where the store keeps its models | choose another name',
    ],
    'image named as packages are': [
      layers('debs: { context: docker/base }', 'b: { context: docker/base, image: "debs/x:1" }'),
      '4:3+4 debs/… is where the store keeps its packages | write image: NAME for this layer',
      '5:37+10 debs/… is where the store keeps its packages | choose another name',
    ],
    'image with a tag of the store': [
      layers('base: { context: docker/base, image: "b:fp-1" }'),
      '4:40+8 tags fp-…, inputs-… and last-… are kept for the store | choose another tag',
    ],
    'cycle through needs': [
      layers(
        'a: { context: docker/base, needs: [b] }',
        'b: { context: docker/base, needs: [c] }',
        'c: { context: docker/base, needs: [a] }',
      ),
      '4:38+1 the layers need each other: a → b → c → a | take one of these needs away',
    ],
    'unknown layer in needs': [
      layers('base: { context: docker/base }', 'b: { context: docker/base, needs: [bsae] }'),
      '5:38+4 there is no layer "bsae" | did you mean base?',
    ],
    'a layer that needs itself': [
      layers('base: { context: docker/base, needs: [base] }'),
      '4:41+4 layer base needs itself | remove it',
    ],
    'a copy entry that leaves the repository': [
      layers('base: { context: docker/base, copy: [{ src: docker/../../etc, dst: x }] }'),
      "4:47+16 the path leaves the repository's root | move what is needed below the repository's root, and write its path from there",
    ],
    'a copy entry that leaves the context': [
      layers('base: { context: docker/base, copy: [{ src: docker, dst: ../x }] }'),
      '4:60+4 the path leaves the context | move what is needed below the context, and write its path from there',
    ],
    'an absolute context': [
      layers('base: { context: /etc }'),
      "4:20+4 the path is absolute | write it relative to the repository's root",
    ],
    'a context that is not there': [
      layers('base: { context: docker/bse }'),
      '4:20+10 there is no folder docker/bse | did you mean docker/base?',
    ],
    'a Dockerfile that is not there': [
      layers('base: { context: docker, dockerfile: docker/base/Dokerfile }'),
      '4:40+21 there is no file docker/base/Dokerfile | did you mean docker/base/Dockerfile?',
    ],
    'a context without a Dockerfile': [
      layers('base: { context: docker }'),
      '4:20+6 there is no file docker/Dockerfile | make it, or write the path of the file',
    ],
    'a secret from nowhere': [
      layers('base: { context: docker/base, secrets: [{ id: x }] }'),
      '4:43+9 the secret comes from nowhere | write either file: PATH or env: NAME',
    ],
    'a store without a registry': [
      `${layers('base: { context: docker/base }')}store: acme/ccai\n`,
      '5:8+9 "acme" is neither a registry\'s host nor a folder | write a folder as ./DIR or oci:DIR, a registry as HOST[:PORT]/PATH, for example ./acme/ccai',
    ],
    'a store with a scheme': [
      `${layers('base: { context: docker/base }')}store: https://ghcr.io/acme\n`,
      '5:8+20 a store has no scheme in front | write ghcr.io/acme',
    ],
    'a deb of no layer': [
      `${layers('base: { context: docker/base }')}debs: { xx: { service: bas, description: d, maintainer: m } }\n`,
      '5:24+3 there is no layer "bas" | did you mean base?',
    ],
    'a name that JavaScript keeps for itself': [
      layers('base: { context: docker/base, args: { __proto__: x } }'),
      '4:41+9 this name is not allowed | choose another',
    ],
    'an empty file': ['# nothing\n', '1:1+1 the file is empty | write version: 1, name: and layers:'],
    'a list as the file': ['- a\n', '1:1+3 a map (KEY: VALUE lines) is needed, not a list | undefined'],
  };
  for (const [name, [text, ...expected]] of Object.entries(cases)) {
    test(name, async () => expect(await errorsOf(text)).toEqual(expected));
  }

  test('all of one file come at once, in its order', async () => {
    const found = await errorsOf(`version: 2
nam: x
layers:
  a: { context: docker/bas, image: UP, needs: [c] }
  b: { context: docker/base, refresh: never, image: q }
  d: { context: docker/base, image: q }
`);
    expect(found.map((line) => line.split(' ')[0])).toEqual([
      '1:10+1',
      '2:1+3',
      '4:17+10',
      '4:36+2',
      '4:48+1',
      '5:39+5',
      '6:37+1',
    ]);
  });

  test('a link that leaves the repository', async () => {
    await symlink('/etc', join(root, 'outside'));
    expect(await errorsOf(layers('base: { context: docker/base, copy: [{ src: outside, dst: x }] }'))).toEqual([
      "4:47+7 outside is a link that leaves the repository's root | put what is needed into the repository",
    ]);
  });

  test('lines that end in CR LF leave the places right', async () => {
    const text = layers('base: { context: docker/base, imag: b }').replaceAll('\n', '\r\n');
    await writeFile(join(root, 'imgbuild.yaml'), text);
    const error = await loadConfig(join(root, 'imgbuild.yaml')).catch((thrown: unknown) => thrown);
    expect((error as Failures).failures[0]!.at).toEqual({
      file: 'imgbuild.yaml',
      line: 4,
      column: 33,
      length: 4,
      text: '  base: { context: docker/base, imag: b }',
    });
  });

  test('a file that is not UTF-8, and one that is not there, are one failure each', async () => {
    await writeFile(join(root, 'imgbuild.yaml'), Buffer.from([0x66, 0xff, 0xfe]));
    await expect(loadConfig(join(root, 'imgbuild.yaml'))).rejects.toMatchObject({
      because: 'it is not UTF-8',
      kind: 'input',
    });
    await expect(loadConfig(join(root, 'none.yaml'))).rejects.toMatchObject({ because: 'there is no such file' });
  });
});

describe('a misspelt key that must be there', () => {
  test('is told as what it is, not as missing too', async () => {
    expect(await errorsOf(`${head}layrs:\n  base: { context: docker/base }\n`)).toEqual([
      '3:1+5 there is no key "layrs" at the top | did you mean layers?',
    ]);
    expect(await errorsOf(layers('base: { contxt: docker/base, image: base }'))).toEqual([
      '4:11+6 there is no key "contxt" in layers.base | did you mean context?',
    ]);
    expect(await errorsOf(`verson: 1\nname: ccai\nlayers: { base: { context: docker/base } }\n`)).toEqual([
      '1:1+6 there is no key "verson" at the top | did you mean version?',
    ]);
  });

  test('brings no error at what names the layers', async () => {
    const debs = 'debs: { aa: { service: base, description: d, maintainer: m } }\n';
    expect(await errorsOf(`${head}layrs:\n  base: { context: docker/base }\n${debs}`)).toEqual([
      '3:1+5 there is no key "layrs" at the top | did you mean layers?',
    ]);
  });

  test('and one that is missing beside it', async () => {
    expect(await errorsOf(`version: 1\nlayrs: {}\n`)).toEqual([
      expect.stringContaining('the key "name" is missing'),
      '2:1+5 there is no key "layrs" at the top | did you mean layers?',
    ]);
  });
});
