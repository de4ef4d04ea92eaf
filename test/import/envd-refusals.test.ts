import { describe, expect, test } from 'vitest';
import { unsupported } from '../../src/import/envd/unsupported.ts';
import { build, refusal } from './envd.ts';

test.each<[file: string, line: string, expected: string]>([
  [
    '-e ./pkg\n',
    'requirements="r.txt"',
    'r.txt:1:1: what is installed by -e stays where it is, and that is gone after the step → copy it by io.copy, and write run(commands = ["pip install -e DIR"])',
  ],
  [
    'a\n\n  -r none.txt\n',
    'requirements="r.txt"',
    'r.txt:3:3: there is no file or folder none.txt → make it, or mend the path',
  ],
  [
    '-r ../out.txt\n',
    'requirements="r.txt"',
    'r.txt:1:1: ../out.txt lies outside of the context → move what is needed into it, and write a path relative to it',
  ],
  [
    '-r r.txt\na\n./w.whl\n',
    'requirements="r.txt"',
    'r.txt:3:1: there is no file or folder w.whl → make it, or mend the path',
  ],
  [
    '',
    'requirements="/etc/passwd"',
    'build.envd:3:29: /etc/passwd lies outside of the context → move what is needed into it, and write a path relative to it',
  ],
  ['', 'local_wheels=["a.whl"]', 'build.envd:3:29: there is no file or folder a.whl → make it, or mend the path'],
])('requirements %j', (file, line, expected) => {
  const text = build('base(image="i")', `install.python_packages(${line})`);
  expect(refusal(text, { tree: { 'r.txt': file } })).toBe(expected);
});

describe('what is refused', () => {
  test.each(Object.keys(unsupported))('%s names what is nearest', (name) => {
    const refused = refusal(build('base(image="i")', name === 'load' ? 'load("x", "y")' : `${name}()`));
    expect(refused).toMatch(
      /^build\.envd:3:\d+: \S+ is not supported: .* → (leave it out; )?(the nearest is|write NAME)/,
    );
  });

  test.each<[lines: string[], expected: string]>([
    [
      ['base(dev=True)'],
      'build.envd:2:10: dev = True makes an environment to work in, with its own shell and servers, and imgbuild builds images that run services → write dev = False, and name the programs that the service needs',
    ],
    [
      ['base(os="aiges_gpu")'],
      'build.envd:2:10: there is no image for os = "aiges_gpu" → say in imgbuild.yaml which it is: envd: { images: { aiges_gpu: REFERENCE } }; known are ubuntu18.04, ubuntu20.04, ubuntu22.04, ubuntu24.04, debian11, debian12, debian13',
    ],
    [['base()', 'base()'], 'build.envd:3:5: base is called twice → keep one of the two'],
    [
      ['base(language="julia1.8")'],
      'build.envd:2:10: imgbuild fetches no Julia of its own → the nearest is base(image = "julia:1.10"), an image that has it',
    ],
    [
      ['install.apt_package(["a"])'],
      'build.envd:2:13: envd has no install.apt_package → did you mean install.apt_packages?',
    ],
    [
      ['install.system_packages(nam=["a"])'],
      'build.envd:2:29: install.system_packages has no argument nam → did you mean name?',
    ],
    [
      ['install.system_packages("a")'],
      'build.envd:2:29: install.system_packages: name needs a list of strings, not a string → undefined',
    ],
    [
      ['install.system_packages(["a b"])'],
      'build.envd:2:29: "a b" is no name of a package → write NAME or NAME=VERSION, one a string',
    ],
    [
      ['install.system_packages(["a;rm -rf /"])'],
      'build.envd:2:29: "a;rm -rf /" is no name of a package → write NAME or NAME=VERSION, one a string',
    ],
    [
      ['config.pip_index(url="https://me:secret@pypi.example.com")'],
      'build.envd:2:22: this address has a password in it, which the history of the image would show → leave it out here, and give a pip.conf as a secret of the layer: secrets: [{ id: pipconf, file: pip.conf }]',
    ],
    [
      ['config.entrypoint(["a"])', 'runtime.daemon([["b"]])'],
      'build.envd:3:5: config.entrypoint says what the image runs, and so does runtime.daemon → keep one of the two: the entrypoint may start what the daemons are',
    ],
    [
      ['io.copy("../x", "/")'],
      'build.envd:2:13: ../x lies outside of the context → move what is needed into it, and write a path relative to it',
    ],
    [['io.copy("x", "/")'], 'build.envd:2:13: there is no file or folder x → make it, or mend the path'],
    [
      ['install.r_packages(["a"])'],
      'build.envd:2:5: nothing says where R takes packages from → say it: config.cran_mirror(url = "https://…")',
    ],
    [
      ['include("https://example.com/lib")'],
      'build.envd:2:13: this would be fetched from elsewhere, and could be another tomorrow → put its files into the repository (a git submodule, or a copy), and include them by their path',
    ],
    [['include("build.envd")'], 'build.envd:2:13: build.envd includes itself → take what both need into a third file'],
    [['open("/etc/passwd")'], 'build.envd:2:5: there is no open here → define it above'],
    [
      ['for i in range(2000): run(["x"])'],
      'build.envd:2:27: this has more than 1000 steps → name several packages in one call',
    ],
    [
      ['for i in range(50):', '    install.system_packages(["a"])', '    run(["x"])'],
      'build.envd:4:9: this makes 101 layers → put steps of one kind side by side, or write order: envd-v1',
    ],
    [['base(image="a\\nRUN b")'], 'build.envd:2:10: "a\\nRUN b" is no name of an image → write it as in "debian:12"'],
    [
      ['base(image="i")', 'runtime.environ(env={"A": "b\\nRUN c"})'],
      'build.envd:1:5: a text of it has more than one line, which a Dockerfile cannot say → write it in one line',
    ],
    [
      ['install.conda_packages(["a\\nRUN b"])'],
      'build.envd:2:5: a text of it has more than one line, which a Dockerfile cannot say → write it in one line',
    ],
    [['build()'], 'build.envd:2:5: build calls itself → build files have no recursion: write a loop'],
  ])('%j', (lines, expected) => {
    expect(refusal(build(...lines))).toBe(expected);
  });

  test('a function that is not there', () => {
    expect(refusal('def build():\n  pass\ndef serve():\n  pass\n', { function: 'server' })).toBe(
      'build.envd:1:1: build.envd has no function server → write envd: build.envd:serve for the function serve',
    );
  });
});
