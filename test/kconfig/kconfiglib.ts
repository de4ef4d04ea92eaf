import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { KconfigCase } from './generate.ts';

/** What a configuration comes to. */
export interface Outcome {
  values: Record<string, string>;
  visibility: Record<string, number>;
  assignable: Record<string, string[]>;
  selections: (string | null)[];
  /** Names that are not in Kconfig. */
  missing: string[];
  config: string;
  minimal: string;
}
export type Answer = { error: string } | { shape: string[]; outcomes: Outcome[] };

export interface Kconfiglib {
  answer(cases: readonly KconfigCase[]): Promise<Answer[]>;
}

const version = '14.1.0';

/** kconfiglib in a virtual environment of its own below `folder`; undefined where Python or its packages are not to be had. */
export function installKconfiglib(folder: string): Kconfiglib | undefined {
  const python = join(folder, 'venv/bin/python');
  if (!existsSync(python)) {
    mkdirSync(folder, { recursive: true });
    if (spawnSync('python3', ['-m', 'venv', join(folder, 'venv')]).status !== 0) return undefined;
  }
  const wanted = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `kconfiglib==${version}`];
  if (spawnSync(python, wanted).status !== 0) return undefined;
  return { answer: (cases) => askJudge(python, cases) };
}

async function askJudge(python: string, cases: readonly KconfigCase[]): Promise<Answer[]> {
  const judge = spawn(python, [join(import.meta.dirname, 'judge.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers: Answer[] = [];
  const reading = (async () => {
    for await (const line of createInterface({ input: judge.stdout })) answers.push(JSON.parse(line) as Answer);
  })();
  judge.stdin.end(cases.map((each) => `${JSON.stringify(each)}\n`).join(''));
  await reading;
  if (answers.length !== cases.length) throw new Error(`kconfiglib answered ${answers.length} of ${cases.length}`);
  return answers;
}
