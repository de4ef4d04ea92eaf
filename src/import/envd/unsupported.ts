/**
 * Functions of envd that an image of a service has no use for, or that imgbuild does otherwise: why, and what is
 * nearest. https://envd.tensorchord.ai/api/starlark/v0/global, …/v1/global
 */
export const unsupported: Record<string, { because: string; fix: string }> = {
  'install.vscode_extensions': {
    because: 'it is for working in the environment, and imgbuild builds images that run services',
    fix: 'leave it out; the nearest is install.system_packages(name = […]) for programs',
  },
  'install.julia': {
    because: 'imgbuild fetches no Julia of its own',
    fix: 'the nearest is base(image = "julia:1.10"), an image that has it',
  },
  'install.rust': {
    because: 'imgbuild fetches no Rust of its own',
    fix: 'the nearest is install.apt_packages(name = ["rustc", "cargo"]), or base(image = "rust:1.80")',
  },
  'install.go': {
    because: 'imgbuild fetches no Go of its own',
    fix: 'the nearest is install.apt_packages(name = ["golang-go"]), or base(image = "golang:1.23")',
  },
  'install.nodejs': {
    because: 'imgbuild fetches no Node.js of its own',
    fix: 'the nearest is install.apt_packages(name = ["nodejs", "npm"]), or base(image = "node:22")',
  },
  'install.pixi': {
    because: 'pixi manages its own environments',
    fix: 'the nearest is install.conda_packages(name = […])',
  },
  'install.uv': {
    because: 'uv manages its own environments',
    fix: 'the nearest is install.python(), and install.python_packages(requirements = "…")',
  },
  'install.codex': {
    because: 'it is for working in the environment, and imgbuild builds images that run services',
    fix: 'leave it out; the nearest is run(commands = […])',
  },
  'config.jupyter': {
    because: 'it is for working in the environment, and imgbuild builds images that run services',
    fix: 'the nearest is install.python_packages(name = ["jupyterlab"]) with runtime.daemon(commands = [["jupyter-lab", …]])',
  },
  'config.rstudio_server': {
    because: 'it is for working in the environment, and imgbuild builds images that run services',
    fix: 'the nearest is base(image = "rocker/rstudio")',
  },
  'data.envd': {
    because: 'envd keeps that volume on the machine that runs the environment',
    fix: 'the nearest is runtime.mount(host_path = "/path/of/the/host", envd_path = "…")',
  },
  'data.path': {
    because: 'envd knows these folders of its own',
    fix: 'the nearest is the path itself: envd_path = "/home/envd/…"',
  },
  load: {
    because: 'names of other files come by include',
    fix: 'write NAME = include("FILE"), and NAME.FUNCTION()',
  },
};
