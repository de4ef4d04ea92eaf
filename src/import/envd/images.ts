import { parseReference } from '../../oci/reference.ts';
import { wrong, type Span } from '../starlark/source.ts';
import type { Collected, Written } from './steps.ts';

/** Images by what `base(os = …)` says; imgbuild.yaml's table wins over it. */
export const osImages: ReadonlyMap<string, string> = new Map([
  ['ubuntu18.04', 'ubuntu:18.04'],
  ['ubuntu20.04', 'ubuntu:20.04'],
  ['ubuntu22.04', 'ubuntu:22.04'],
  ['ubuntu24.04', 'ubuntu:24.04'],
  ['debian11', 'debian:11'],
  ['debian12', 'debian:12'],
  ['debian13', 'debian:13'],
]);

/** From which micromamba comes that makes conda environments; `micromamba` in the table of imgbuild.yaml. */
export const micromambaImage = 'mambaorg/micromamba:1.5.8';

/** Python's version in a distribution. */
const pythons: Record<string, string> = {
  'ubuntu18.04': '3.6',
  'ubuntu20.04': '3.8',
  'ubuntu22.04': '3.10',
  'ubuntu24.04': '3.12',
  debian11: '3.9',
  debian12: '3.11',
  debian13: '3.13',
};

/** `own`: what the image has; `system`: the distribution's, in a virtual environment; `conda`: one of its own. */
export type Python = { kind: 'own' } | { kind: 'system' } | { kind: 'conda'; version: string };

export interface Foundation {
  /** The reference that FROM names. */
  image: string;
  python: Python;
  /** `r` where base says so. */
  language: 'python' | 'r';
}

/** What an image is built on. Throws a Failure where the build file names what nobody knows. */
export function foundationOf(collected: Collected, table: ReadonlyMap<string, string>): Foundation {
  const { base, python, conda, version } = collected;
  const { os, image, language } = base?.value ?? { os: undefined, image: undefined, language: undefined };
  const spoken = language ? languageOf(language) : undefined;
  const named = image ?? os;
  const system = named === undefined ? 'ubuntu22.04' : systemOf(named.text);
  const reference =
    named === undefined ? (table.get(system!) ?? 'ubuntu:22.04') : imageOf(named, system, table, image !== undefined);
  const withCuda = cudaImage(collected, system) ?? reference;
  requireReference(withCuda, named?.span ?? collected.span);
  const wanted = python ? python.value : spoken?.name === 'python' ? spoken.version : undefined;
  // v0 gives Python to all but images of the user's own, v1 where install.python says so.
  const asked = wanted !== undefined || conda || (version === 0 && image === undefined && spoken?.name !== 'r');
  const own = system === undefined ? undefined : pythons[system];
  const plain = wanted === undefined || wanted === '' || wanted === own;
  // An image of the user's own brings its Python, unless another version is asked for.
  const brought = image !== undefined && version === 0 && !conda && !wanted;
  return {
    image: withCuda,
    language: spoken?.name === 'r' ? 'r' : 'python',
    python:
      !asked || brought
        ? { kind: 'own' }
        : plain && !conda
          ? { kind: 'system' }
          : { kind: 'conda', version: wanted || own || '3.11' },
  };
}

/** `ubuntu20.4`, `ubuntu20.04` and `ubuntu:20.04` are one system. */
function systemOf(text: string): string | undefined {
  const plain = /^(?:(?:docker\.io\/)?(?:library\/)?)(ubuntu|debian):?(\d+(?:\.\d+)?)(?:-slim)?$/i.exec(text);
  const codename = /^(?:docker\.io\/)?(?:library\/)?debian:(bullseye|bookworm|trixie)(?:-slim)?$/.exec(text)?.[1];
  if (codename !== undefined) return `debian${{ bullseye: 11, bookworm: 12, trixie: 13 }[codename]}`;
  if (!plain) return undefined;
  const [, name, version] = plain as unknown as [string, string, string];
  return `${name.toLowerCase()}${name.toLowerCase() === 'ubuntu' ? version.replace(/\.4$/, '.04') : version.replace(/\..*/, '')}`;
}

function imageOf(
  named: Written,
  system: string | undefined,
  table: ReadonlyMap<string, string>,
  isImage: boolean,
): string {
  const { text, span } = named;
  const given = table.get(text) ?? (isImage ? undefined : system && table.get(system));
  if (given) return given;
  if (isImage || /[/:]/.test(text)) return text;
  const known = system === undefined ? undefined : osImages.get(system);
  if (known !== undefined) return known;
  const names = [...osImages.keys(), ...table.keys()].join(', ');
  const fix = `say in imgbuild.yaml which it is: envd: { images: { ${text}: REFERENCE } }; known are ${names}`;
  throw wrong(span, `there is no image for os = ${JSON.stringify(text)}`, fix);
}

/** Throws a Failure where a text is no image's name. */
export function requireReference(text: string, span: Span): void {
  if (text === 'scratch') return;
  try {
    parseReference(text);
  } catch {
    throw wrong(span, `${JSON.stringify(text)} is no name of an image`, 'write it as in "debian:12"');
  }
}

/** As envd has it: the base of NVIDIA in the place of the distribution's. */
function cudaImage({ cuda, base }: Collected, system: string | undefined): string | undefined {
  if (!cuda) return undefined;
  const { version, cudnn } = cuda.value;
  if (!system?.startsWith('ubuntu')) {
    const fix = `name an image that has it: base(image = "nvidia/cuda:${version}-cudnn${cudnn}-devel-ubuntu22.04")`;
    throw wrong(
      cuda.span,
      `install.cuda changes a base of Ubuntu, and this is ${base?.value.image?.text ?? base?.value.os?.text}`,
      fix,
    );
  }
  if (!/^\d+(\.\d+){1,2}$/.test(version) || !/^\d*$/.test(cudnn)) {
    throw wrong(
      cuda.span,
      `${version} with cudnn ${cudnn} is no version of CUDA`,
      'write version = "11.6.2", cudnn = "8"',
    );
  }
  return `nvidia/cuda:${version}-${cudnn === '' ? '' : `cudnn${cudnn}-`}devel-${system}`;
}

function languageOf({ text, span }: Written): { name: 'python' | 'r'; version: string } {
  const found = /^([a-z]+)\s*([\d.]*)$/i.exec(text.trim());
  const name = found?.[1]!.toLowerCase();
  const version = found?.[2] ?? '';
  if (name === 'r') return { name: 'r', version };
  if (name === 'julia') {
    throw wrong(
      span,
      'imgbuild fetches no Julia of its own',
      'the nearest is base(image = "julia:1.10"), an image that has it',
    );
  }
  if (name !== 'python')
    throw wrong(span, `there is no language ${JSON.stringify(text)}`, 'write python, python3.10 or r');
  if (version !== '' && !/^3(\.\d+){0,2}$/.test(version)) {
    throw wrong(span, `there is no Python ${version} here`, 'write python3.8 or newer');
  }
  return { name: 'python', version: version === '3' ? '' : version };
}
