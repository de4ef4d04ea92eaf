import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/config/check.ts';

const check = (layer: string) =>
  checkConfig(`version: 1\nname: npu\nlayers:\n  cann: { context: ., ${layer} }\n`, '/repository/imgbuild.yaml');

describe('packages: and packagesAt:', () => {
  test.each([
    ['packages: ./installers/', 'installers', []],
    ['packages: ../installers', '../installers', []],
    [
      'packages: /data/ascend, packagesAt: ["172.17.0.1:3000", "10.0.0.1"]',
      '/data/ascend',
      ['172.17.0.1:3000', '10.0.0.1:80'],
    ],
  ])('%s', (text, packages, packagesAt) => {
    const { config, failures } = check(text);
    expect(failures).toEqual([]);
    expect(config!.layers[0]).toMatchObject({ packages, packagesAt });
  });

  test.each([
    ['packages: ~/installers', '~ stands for no folder here', 33],
    ['packages: ""', 'the path is empty', 33],
    ['packages: p, packagesAt: [localhost]', 'this is not an address', 49],
    ['packages: p, packagesAt: ["172.17.0.1:70000"]', 'this is not an address', 49],
    ['packages: p, packagesAt: ["172.17.0.300"]', 'this is not an address', 49],
  ])('%s is an error at its place', (text, because, column) => {
    const [failure] = check(text).failures;
    expect(failure).toMatchObject({ because, at: { line: 4, column } });
    expect(failure!.fix).toMatch(/^write/);
  });

  test('a misspelt key is told with the nearest', () => {
    expect(check('package: p').failures[0]!.fix).toBe('did you mean packages?');
  });
});
