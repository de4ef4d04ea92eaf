import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { instructions, read } from './envd.ts';

/** In the form of AIGES' guide, with other names. */
const wrapper = `def build():
    sources()
    base(language="python3.8", os="ubuntu20.4")
    install.python_packages(name = [
        "numpy==1.20",
        "openmim"
    ])
    install.conda_packages(channel= ["pytorch"], env_file = "env.yaml")
    install.python_packages(requirements="build.txt")
    install.system_packages(name = [
        "libgl1-mesa-glx"
    ])
    run(commands=[
        "mim install mmcv-full",
    ])

    io.copy(src="./detector", dest="/")
    run(commands=[
        "pip install -e /detector",
    ])
def sources():
    config.pip_index(url = "https://pypi.example.com/simple")
    config.conda_channel(channel="""
    channels:
    - defaults
    show_channel_urls: true
    """)
`;
const tree = {
  'env.yaml': 'dependencies: [python=3.8, { pip: [requests] }]\n',
  'build.txt': 'six\n-r more/other.txt  # and so on\n',
  'more/other.txt': 'idna\n',
  'detector/setup.py': '',
};

describe('the document of AIGES', () => {
  test('is a chain: its environment in the order written, the code above it', () => {
    const made = read(wrapper, { tree });
    expect(made.layers.map(({ suffix }) => suffix)).toEqual(['python', 'system', 'run', '']);
    expect(instructions(made)).toMatchInlineSnapshot(`
      [
        "# python",
        "FROM ubuntu:20.04",
        "COPY --from=mambaorg/micromamba:1.5.8 /bin/micromamba /usr/local/bin/micromamba",
        "RUN apt-get update \\
       && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates \\
       && ln -s micromamba /usr/local/bin/conda \\
       && rm …",
        "ENV MAMBA_ROOT_PREFIX=/opt/conda PATH=/opt/conda/envs/envd/bin:$PATH",
        "RUN printf '%s\\n' \\
            'channels:' \\
            '- defaults' \\
            'show_channel_urls: true' > /dev/shm/condarc \\
       && export CONDARC=/dev/shm/condarc \\
       && micromamba create -y -p /opt/conda/envs/envd --rc-file /dev/shm/condarc python=3.8 pip \\
       && micromamba clean -a -y",
        "RUN export PIP_INDEX_URL=https://pypi.example.com/simple \\
       && python3 -m pip install --no-cache-dir --no-compile numpy==1.20 openmim",
        "RUN --mount=type=bind,source=env.yaml,target=/dev/shm/context/env.yaml \\
          export PIP_INDEX_URL=https://pypi.example.com/simple \\
       && printf '%s\\n' \\
            'channels:' \\
            '- defaults' \\
            'show_channel_urls: true' > /dev/shm/condarc \\
       && export CONDARC=/dev/shm/condarc \\
       && micromamba install -y -p /opt/conda/envs/envd -c pytorch --rc-file /dev/shm/condarc -f /dev/shm/context/env.yaml \\
       && micromamba clean -a -y",
        "RUN --mount=type=bind,source=build.txt,target=/dev/shm/context/build.txt \\
          --mount=type=bind,source=more/other.txt,target=/dev/shm/context/more/other.txt \\
          export PIP_INDEX_URL=https://pypi.example.com/simple \\
       && python3 -m pip install --no-cache-dir --no-compile -r /dev/shm/context/build.txt",
        "# system",
        "FROM app-python",
        "RUN apt-get update \\
       && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libgl1-mesa-glx \\
       && rm …",
        "# run",
        "FROM app-system",
        "RUN ["/bin/bash", "-euo", "pipefail", "-c", "\\
      export PIP_INDEX_URL=https://pypi.example.com/simple\\n\\
      printf '%s\\\\n' \\\\\\n\\
            'channels:' \\\\\\n\\
            '- defaults' \\\\\\n\\
            'show_channel_urls: true' > /dev/shm/condarc\\n\\
      export CONDARC=/dev/shm/condarc\\n\\
      mim install mmcv-full\\n\\
      "]",
        "# the last",
        "FROM app-run",
        "COPY detector/ /detector/",
        "RUN ["/bin/bash", "-euo", "pipefail", "-c", "\\
      export PIP_INDEX_URL=https://pypi.example.com/simple\\n\\
      printf '%s\\\\n' \\\\\\n\\
            'channels:' \\\\\\n\\
            '- defaults' \\\\\\n\\
            'show_channel_urls: true' > /dev/shm/condarc\\n\\
      export CONDARC=/dev/shm/condarc\\n\\
      pip install -e /detector\\n\\
      "]",
      ]
    `);
    expect(made.notes).toEqual([]);
  });

  test('says of each instruction which call it comes from', () => {
    const { layers } = read(wrapper, { tree });
    const origins = layers.flatMap(({ dockerfile }) => dockerfile.origins.map(({ name, at }) => `${name} ${at.line}`));
    expect([...new Set(origins)]).toEqual([
      'base 3',
      'install.python_packages 4',
      'install.conda_packages 8',
      'install.python_packages 9',
      'install.system_packages 10',
      'run 13',
      'io.copy 17',
      'run 18',
    ]);
  });

  test('is written the same each time, in a way that a Dockerfile is read', () => {
    const once = read(wrapper, { tree });
    expect(read(wrapper, { tree })).toEqual(once);
    for (const { dockerfile } of once.layers) {
      const { instructions: parsed } = parseDockerfile(dockerfile.text, 'Dockerfile');
      expect(parsed.map(({ lines }) => lines)).toEqual(dockerfile.origins.map(({ lines }) => lines));
    }
  });

  test("in envd's order, system packages come first and all commands last", () => {
    const orderOf = (order: 'envd-v0' | 'envd-v1') =>
      read(wrapper, { tree, order }).layers.flatMap(({ suffix, dockerfile }) => [
        `# ${suffix}`,
        ...new Set(dockerfile.origins.map(({ name, at }) => `${name} ${at.line}`)),
      ]);
    expect(orderOf('envd-v0')).toEqual([
      '# system', 'base 3', 'install.system_packages 10',
      '# python', 'base 3', 'install.conda_packages 8', 'install.python_packages 4', 'install.python_packages 9',
      '# ', 'base 3', 'io.copy 17', 'run 13', 'run 18',
    ]); // prettier-ignore
    expect(orderOf('envd-v1')).toEqual([
      '# system', 'base 3', 'install.system_packages 10',
      '# python', 'base 3', 'install.python_packages 4', 'install.python_packages 9', 'install.conda_packages 8',
      '# ', 'base 3', 'io.copy 17', 'run 13', 'run 18',
    ]); // prettier-ignore
  });
});
