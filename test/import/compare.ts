import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../../src/failure.ts';
import { brokenFile, programOf, randomOf } from './generate.ts';
import { read } from './envd.ts';
import { valueOfX } from './starlark.ts';

/** Programs on which this evaluator and Python disagree. Where both refuse, they agree. */
export function disagreements(seed: number, count: number): { failures: string[]; compared: number } {
  const random = randomOf(seed);
  const programs = Array.from({ length: count }, () => programOf(random));
  const judge = spawnSync('python3', [path.join(import.meta.dirname, 'judge.py')], {
    input: `${JSON.stringify(programs)}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (judge.status !== 0) throw new Error(`python3 does not run: ${judge.error?.message ?? judge.stderr}`);
  const results = JSON.parse(judge.stdout) as ({ x: unknown } | { error: string })[];
  const failures = programs.flatMap((text, index) => {
    const theirs = results[index]!;
    let ours: unknown;
    try {
      ours = valueOfX(text);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return 'error' in theirs ? [] : [`${text}Python: ${JSON.stringify(theirs.x)}\nimgbuild: ${error.message}`];
    }
    if ('x' in theirs && isDeepStrictEqual(ours, theirs.x)) return [];
    return [`${text}Python: ${JSON.stringify(theirs)}\nimgbuild: ${JSON.stringify(ours)}`];
  });
  return { failures, compared: results.filter((result) => 'x' in result).length };
}

const good = `lib = include("lib.envd")
port = 80
def build(extra = [], *rest, **others):
    base(os="ubuntu20.4", language="python3.8")
    install.python_packages(name = ["torch==1.10", "a" if port else "b"] + extra, requirements="r.txt")
    for name in [n for n in ["x", "y"] if n != "x"]:
        install.system_packages(name=[name, f"lib{name}-{port:04d}"])
    io.copy(src="./code", dest="/srv/%s" % port)
    run(commands=["echo {}".format(port), r'\\d' """
    more"""])
    lib.serve(port, env={"A": "1"})
`;
const tree = {
  'lib.envd': 'def serve(port, env = {}):\n  runtime.expose(envd_port=port)\n  runtime.environ(env=env)\n',
  'r.txt': 'six\n',
  'code/a.py': '',
};

/** Broken build files: each is read, or refused at a place in it, in bounded time. */
export function brokenFiles(seed: number, count: number): { failures: string[]; refused: number } {
  const random = randomOf(seed);
  const failures: string[] = [];
  let refused = 0;
  for (let index = 0; index < count; index++) {
    const text = brokenFile(random, good);
    const before = performance.now();
    try {
      read(text, { tree });
    } catch (error) {
      refused += 1;
      const at = error instanceof Failure ? error.at : undefined;
      const line = at?.file === 'build.envd' ? text.split('\n')[at.line - 1] : at?.text;
      const inside = at && line !== undefined && at.column >= 1 && at.column <= line.length + 1;
      if (!(error instanceof Failure) || error.kind !== 'input' || !inside) failures.push(`${text}\n${String(error)}`);
    }
    const took = performance.now() - before;
    if (took > 20_000) failures.push(`${text}\ntook ${Math.round(took)} ms`);
  }
  return { failures, refused };
}
