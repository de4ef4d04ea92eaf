import { expect, test } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { unsupported } from '../../src/import/envd/unsupported.ts';
import { functions } from '../../src/import/envd/functions.ts';
import { build, instructions, read, refusal } from './envd.ts';

test.each<[what: string, text: string, expected: string[]]>([
  [
    'names are quoted where a shell would read them',
    build(
      'base(image="i")',
      'install.python_packages(["a>=1,<2", "b --index-url https://example.com/x", "--no-deps c", "d; python_version<\'3.9\'"])',
    ),
    [
      '# python',
      'FROM i',
      `RUN python3 -m pip install --no-cache-dir --no-compile 'a>=1,<2' b --index-url https://example.com/x --no-deps c 'd; python_version<'\\''3.9'\\'''`,
    ],
  ],
])('%s', (_what, text, expected) => {
  expect(instructions(read(text)).map((line) => line.replace('# the last', '# python'))).toEqual(expected);
});

test.each<[what: string, line: string, expected: string[]]>([
  ['a file into a folder', 'io.copy("main.py", "/")', ['COPY main.py /']],
  ['a file under another name', 'io.copy(host_path="main.py", envd_path="/srv/app.py")', ['COPY main.py /srv/app.py']],
  ['a file into a folder that is there', 'io.copy(source="main.py", target="/opt")', ['COPY main.py /opt/']],
  ['a folder into a folder that is there', 'io.copy("./code", "/opt/")', ['COPY code/ /opt/code/']],
  ['a folder as one that is not there', 'io.copy("code/", "/home/app")', ['COPY code/ /home/app/']],
  [
    'a folder into one that was made before',
    'io.copy("main.py", "/app/main.py"); io.copy("code", "/app")',
    ['COPY main.py /app/main.py', 'COPY code/ /app/code/'],
  ],
  ['everything', 'io.copy("./", "/home/app")', ['COPY . /home/app/']],
  ['a relative target from the top', 'io.copy("main.py", "app/")', ['COPY main.py /app/']],
  ['what is like a variable', 'io.copy("$a b.py", "/srv/")', ['COPY "\\$a b.py" /srv/']],
  [
    'out of an image',
    'io.copy(source="/bin/tool", target="/usr/local/bin/tool", image="tools:1")',
    ['COPY --from=tools:1 /bin/tool /usr/local/bin/tool'],
  ],
  ['for an owner', 'config.owner(uid=1000, gid=1001); io.copy("main.py", "/")', ['COPY --chown=1000:1001 main.py /']],
  [
    'out of the net',
    `io.http(url="https://example.com/a/weights.bin?x=1", checksum="sha256:${'0'.repeat(64)}")`,
    [
      `ADD --checksum=sha256:${'0'.repeat(64)} https://example.com/a/weights.bin?x=1 /home/envd/extra_source/weights.bin`,
    ],
  ],
])('io copies %s', (_what, line, expected) => {
  const made = read(build('base(image="i")', line), { tree: { 'main.py': '', 'code/a.py': '', '$a b.py': '' } });
  expect(instructions(made)).toEqual(['# the last', 'FROM i', ...expected]);
});

test.each<[what: string, lines: string[], expected: string[]]>([
  [
    'variables, paths and ports',
    ['runtime.environ(env={"A": "x $y", "B": ""}, extra_path=["/opt/bin"])', 'runtime.expose(envd_port=80)'],
    ['ENV A="x \\$y"', 'ENV B=""', 'ENV PATH=$PATH:/opt/bin', 'EXPOSE 80'],
  ],
  ['an entrypoint', ['config.entrypoint(["python", "main.py"])'], ['ENTRYPOINT ["python","main.py"]']],
  [
    'one daemon',
    ['runtime.daemon(commands=[["python", "serve.py"]])'],
    ['CMD ["/bin/bash","-euo","pipefail","-c","exec python serve.py"]'],
  ],
  [
    'several daemons',
    ['runtime.daemon(commands=[["a"], ["b", ">log"]])'],
    ['CMD ["/bin/bash","-euo","pipefail","-c","trap \'kill $(jobs -p)\' TERM INT\\na &\\nb >log &\\nwait -n"]'],
  ],
  [
    'what goes before',
    ['runtime.init(["prepare"])', 'config.entrypoint(["serve"])'],
    ['ENTRYPOINT ["/bin/bash","-euo","pipefail","-c","prepare\\nexec \\"$@\\"","bash","serve"]'],
  ],
  [
    'labels',
    ['config.repo(url="https://example.com/r", description="a b")'],
    ['LABEL org.opencontainers.image.url=https://example.com/r', 'LABEL org.opencontainers.image.description="a b"'],
  ],
  [
    'what only docker run can do',
    [
      'config.gpu(count=2)',
      'config.shm_size(size=64)',
      'runtime.mount("~/.cache", "/cache")',
      'runtime.expose(80, host_port=8080)',
    ],
    ['EXPOSE 80', 'LABEL vnd.imgbuild.run="--gpus=2 --shm-size=64m --volume=~/.cache:/cache --publish=8080:80"'],
  ],
  [
    'commands',
    ['runtime.command(commands={"train it": "python train.py --n 3"})'],
    [
      "RUN printf '%s\\n' \\\n      '#!/bin/bash' \\\n      'set -euo pipefail' \\\n      'python train.py --n 3' > /usr/local/bin/train-it \\\n && chmod 755 /usr/local/bin/train-it",
    ],
  ],
])('an image says how it is run: %s', (_what, lines, expected) => {
  expect(instructions(read(build('base(image="i")', ...lines)))).toEqual(['# the last', 'FROM i', ...expected]);
});

test.each<[what: string, lines: string[], from: string, python: string | undefined]>([
  ['the Python of a distribution', ['base(os="ubuntu20.4", language="python3.8")'], 'ubuntu:20.04', 'venv'],
  ['any Python 3', ['base(os="debian12", language="python")'], 'debian:12', 'venv'],
  ['another Python', ['base(os="ubuntu22.04", language="python3.8")'], 'ubuntu:22.04', 'python=3.8'],
  ['nothing of it', ['base()'], 'ubuntu:22.04', 'venv'],
  ['an image of its own', ['base(image="python:3.11-slim")'], 'python:3.11-slim', undefined],
  [
    'an image as the system',
    ['base(os="example.com/cuda:1", language="python3.9")'],
    'example.com/cuda:1',
    'python=3.9',
  ],
  ['a name of the table', ['base(os="aiges_cpu", language="python3.9")'], 'acme/aiges:3', 'python=3.9'],
  [
    'CUDA',
    ['base(os="ubuntu22.04", language="python3")', 'install.cuda(version="11.6.2")'],
    'nvidia/cuda:11.6.2-cudnn8-devel-ubuntu22.04',
    'venv',
  ],
  ['conda', ['base(os="debian12", language="python")', 'install.conda()'], 'debian:12', 'python=3.11'],
])('base names %s', (_what, lines, from, python) => {
  const made = instructions(read(build(...lines, 'run(["true"])'), { images: { aiges_cpu: 'acme/aiges:3' } })).join(
    '\n',
  );
  expect(/^FROM (.*)$/m.exec(made)![1]).toBe(from);
  expect(/python=[\d.]+|venv(?= )/.exec(made)?.[0]?.replace(/^venv.*/, 'venv')).toBe(python);
});

test('v1 has its own order of arguments, and Python where it is asked for', () => {
  const text = `# syntax=v1\n${build('base("debian:12")', 'install.apt_packages(["curl"])', 'install.python(version="3.11")', 'run(["x"])')}`;
  expect(instructions(read(text)).filter((line) => !line.includes('RUN'))).toEqual([
    '# system',
    'FROM debian:12',
    '# python',
    'FROM app-system',
    'ENV PATH=/opt/venv/bin:$PATH',
    '# the last',
    'FROM app-python',
  ]);
});

test('R comes once, also where base alone asks for it', () => {
  const all = (...lines: string[]) => instructions(read(build(...lines))).filter((line) => /r-base|Rscript/.test(line));
  expect(all('base(os="debian12", language="r")')).toHaveLength(1);
  const packages = 'config.cran_mirror(url="https://cran.example.com"); install.r_packages(["a"])';
  expect(all('base(os="debian12", language="r")', packages, 'install.r_lang()')).toHaveLength(2);
});

test('commands reach bash as they are written', () => {
  const commands = [
    `echo 'a "b" $C \\\\' # not the end`,
    '# nothing',
    'cat <<X',
    '  # kept',
    'build.envd:2:10: "a\\nRUN b" is no name of an image → write it as in "debian:12"',
    '',
    'a \\',
    '  b',
  ];
  const made = read(`def build():\n    base(image="i")\n    run(commands=${JSON.stringify([commands.join('\n')])})\n`);
  const [, run] = parseDockerfile(made.layers[0]!.dockerfile.text, 'Dockerfile').instructions;
  expect(run!.operands).toEqual({
    form: 'json',
    words: ['/bin/bash', '-euo', 'pipefail', '-c', `${commands.join('\n')}\n`],
  });
});

test('sources hold for the steps alone', () => {
  const text = build(
    'base(os="debian12", language="python")',
    'config.apt_source(source="deb http://apt.example.com/debian bookworm main")',
    'config.pip_index(url="https://pypi.example.com/simple", extra_url="https://more.example.com/x", trust=True)',
    'install.system_packages(["curl"])',
    'run(["apt-get update", "pip install x"])',
  );
  expect(instructions(read(text))).toMatchInlineSnapshot(`
    [
      "# system",
      "FROM debian:12",
      "RUN printf '%s\\n' 'deb http://apt.example.com/debian bookworm main' > /dev/shm/sources.list \\
     && printf '%s\\n' 'Dir::Etc::SourceList "/dev/shm/sources.list";' 'Dir::Etc::SourceParts "-";' > /dev/shm/apt.conf \\
     && export APT_CONFIG=/dev/shm/apt.conf \\
     && apt-get update \\
     && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends curl \\
     && rm …",
      "# python",
      "FROM app-system",
      "RUN printf '%s\\n' 'deb http://apt.example.com/debian bookworm main' > /dev/shm/sources.list \\
     && printf '%s\\n' 'Dir::Etc::SourceList "/dev/shm/sources.list";' 'Dir::Etc::SourceParts "-";' > /dev/shm/apt.conf \\
     && export APT_CONFIG=/dev/shm/apt.conf \\
     && apt-get update \\
     && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv ca-certificates \\
     && python3 -m venv /opt/venv \\
     && rm …",
      "ENV PATH=/opt/venv/bin:$PATH",
      "# the last",
      "FROM app-python",
      "RUN ["/bin/bash", "-euo", "pipefail", "-c", "\\
    printf '%s\\\\n' 'deb http://apt.example.com/debian bookworm main' > /dev/shm/sources.list\\n\\
    printf '%s\\\\n' 'Dir::Etc::SourceList \\"/dev/shm/sources.list\\";' 'Dir::Etc::SourceParts \\"-\\";' > /dev/shm/apt.conf\\n\\
    export APT_CONFIG=/dev/shm/apt.conf\\n\\
    export PIP_INDEX_URL=https://pypi.example.com/simple\\n\\
    export PIP_EXTRA_INDEX_URL=https://more.example.com/x\\n\\
    export PIP_TRUSTED_HOST='pypi.example.com more.example.com'\\n\\
    apt-get update\\n\\
    pip install x\\n\\
    "]",
    ]
  `);
});

test('requirements, wheels and conda files are there while they are installed', () => {
  const text = build(
    'base(image="i")',
    'install.python_packages(["x"], requirements="req/r.txt", local_wheels=["wheels/a-1-py3-none-any.whl"])',
  );
  const files = {
    'req/r.txt': '-c c.txt\nwheels/b.whl\n',
    'req/c.txt': '',
    'wheels/a-1-py3-none-any.whl': '',
    'wheels/b.whl': '',
  };
  expect(instructions(read(text, { tree: files }))).toMatchInlineSnapshot(`
    [
      "# the last",
      "FROM i",
      "RUN --mount=type=bind,source=req/r.txt,target=/dev/shm/context/req/r.txt \\
        --mount=type=bind,source=req/c.txt,target=/dev/shm/context/req/c.txt \\
        --mount=type=bind,source=wheels/b.whl,target=/dev/shm/context/wheels/b.whl \\
        --mount=type=bind,source=wheels/a-1-py3-none-any.whl,target=/dev/shm/context/wheels/a-1-py3-none-any.whl \\
        cd /dev/shm/context \\
     && python3 -m pip install --no-cache-dir --no-compile x -r /dev/shm/context/req/r.txt /dev/shm/context/wheels/a-1-py3-none-any.whl",
    ]
  `);
});

test('included files give their functions, and their lines', () => {
  const lib =
    'def serve(port, tools = []):\n    runtime.expose(envd_port=port)\n    install.apt_packages(tools)\n_hidden = 1\n';
  const text =
    'lib = include("lib/serve.envd")\ndef build():\n    base(image="i")\n    lib.serve(80, tools=["curl"])\n';
  const made = read(text, { tree: { 'lib/serve.envd': lib } });
  expect(
    made.layers.flatMap(({ dockerfile }) => dockerfile.origins.map(({ at, name }) => `${at.file}:${at.line} ${name}`)),
  ).toEqual([
    'build.envd:3 base',
    'lib/serve.envd:3 install.apt_packages',
    'build.envd:3 base',
    'lib/serve.envd:2 runtime.expose',
  ]);
  const hidden = text.replace('lib.serve(80, tools=["curl"])', 'lib._hidden');
  expect(refusal(hidden, { tree: { 'lib/serve.envd': lib } })).toMatch(
    /^build\.envd:4:9: lib\/serve\.envd has no _hidden/,
  );
});

test('steps after the code are told to stand badly', () => {
  const text = build('base(image="i")', 'io.copy("a.py", "/")', 'install.apt_packages(["curl"])');
  const made = read(text, { tree: { 'a.py': '' } });
  expect(made.layers.map(({ suffix }) => suffix)).toEqual(['code', '']);
  expect(made.notes.map(({ at, text: note }) => `${at.line}: ${note}`)).toEqual([
    '4: install.apt_packages stands after code is copied, so a change of the code builds it anew: move it up, or write order: envd-v1',
  ]);
});

test('every function of envd is known', () => {
  // https://envd.tensorchord.ai/api/starlark, v0 and v1
  const all =
    'shell run git_config install.apt_packages install.system_packages install.python_packages install.conda_packages ' +
    'install.r_packages install.cuda install.vscode_extensions install.julia_packages install.python install.conda ' +
    'install.pixi install.uv install.r_lang install.julia install.rust install.go install.nodejs install.codex ' +
    'config.apt_source config.jupyter config.pip_index config.conda_channel config.entrypoint config.gpu config.shm_size ' +
    'config.cran_mirror config.julia_pkg_server config.rstudio_server config.repo config.owner io.copy io.http ' +
    'runtime.command runtime.expose runtime.daemon runtime.environ runtime.mount runtime.init';
  expect(all.split(' ').filter((name) => !functions[name] && !unsupported[name])).toEqual([]);
});

test('every argument of a supported function is read', () => {
  // The signatures of both versions: https://github.com/tensorchord/envd/tree/main/envd/api
  const signatures = `shell name; run commands mount_host; git_config name email editor; install.python version;
    install.conda use_mamba; install.r_lang; install.apt_packages name; install.python_packages name requirements local_wheels;
    install.conda_packages name channel env_file; install.r_packages name; install.julia_packages name;
    install.cuda version cudnn; config.apt_source source; config.pip_index url extra_url trust; config.conda_channel channel;
    config.entrypoint args; config.gpu count; config.shm_size size; config.cran_mirror url; config.julia_pkg_server url;
    config.repo url description; config.owner uid gid; io.copy source target image; io.http url checksum filename;
    runtime.command commands; runtime.expose envd_port host_port service listen_addr; runtime.daemon commands;
    runtime.environ env extra_path; runtime.mount host_path envd_path; runtime.init commands`;
  for (const signature of signatures.split(';')) {
    const [name, ...parameters] = signature.trim().split(/\s+/);
    const known = functions[name!]![0].replaceAll('?', '').split(' ');
    expect({ name, known }).toEqual({ name, known: expect.arrayContaining(parameters) });
  }
});
