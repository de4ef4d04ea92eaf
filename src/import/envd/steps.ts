import type { Span } from '../starlark/source.ts';

/** A text of the build file, and where it stands. */
export interface Written {
  text: string;
  span: Span;
}

/** What a build file says to do, in its words. `call` is the function, `span` the call. */
export type Step = { call: string; span: Span } & (
  | { kind: 'system'; packages: Written[] }
  /** Python itself, where it is asked for by a step of its own. */
  | { kind: 'python' }
  | { kind: 'pip'; packages: Written[]; requirements: Written | undefined; wheels: Written[] }
  | { kind: 'conda'; packages: Written[]; channels: string[]; file: Written | undefined }
  | { kind: 'r'; packages: string[] }
  | { kind: 'julia'; packages: string[] }
  | { kind: 'shell'; name: string }
  | { kind: 'git'; settings: [key: string, value: string][] }
  | { kind: 'run'; commands: string[]; mountHost: boolean }
  | { kind: 'copy'; source: Written; target: string; image: string | undefined }
  | { kind: 'http'; url: string; checksum: string | undefined; filename: string }
  | { kind: 'command'; name: string; line: string }
);

export interface Said<T> {
  value: T;
  call: string;
  span: Span;
}

/** What `base` says. */
export interface Base {
  os: Written | undefined;
  language: Written | undefined;
  image: Written | undefined;
}

/** What a build file has said when its function has run. */
export interface Collected {
  version: 0 | 1;
  /** Of the function that was run. */
  span: Span;
  base: Said<Base> | undefined;
  /** By install.python: '' where no version is given. */
  python: Said<string> | undefined;
  conda: boolean;
  cuda: Said<{ version: string; cudnn: string }> | undefined;
  steps: Step[];
  /** Where packages come from while the image is built; the last call counts. */
  aptSource: Said<string> | undefined;
  pipIndex: Said<{ url: string; extra: string; trust: boolean }> | undefined;
  condaChannel: Said<string> | undefined;
  cranMirror: Said<string> | undefined;
  juliaServer: Said<string> | undefined;
  owner: Said<{ uid: number; gid: number }> | undefined;
  /** How the image is run. */
  entrypoint: Said<string[]> | undefined;
  daemons: Said<string[][]> | undefined;
  init: Said<string[]> | undefined;
  environ: Said<[name: string, value: string]>[];
  paths: Said<string>[];
  ports: Said<number>[];
  labels: Said<[name: string, value: string]>[];
  /** What only `docker run` can do, in its options. */
  runOptions: Said<string>[];
}
