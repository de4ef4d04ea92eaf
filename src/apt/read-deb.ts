import { problemOfArchitecture } from '../deb/control.ts';
import { isDebianVersion, isPackageName } from '../deb/relation.ts';
import { Failure } from '../failure.ts';
import { streamSource, type ByteSource } from '../tar/byte-source.ts';
import { damaged } from '../tar/damaged.ts';
import { readTar } from '../tar/extract.ts';
import { readAr, type ArMember } from './ar-reader.ts';
import { decompress, type ControlCompression } from './decompress.ts';
import { fieldOf, parseParagraph, type Paragraph } from './paragraph.ts';

/** What a Debian package says of itself. */
export interface DebControl {
  name: string;
  version: string;
  architecture: string;
  control: Paragraph;
}

/** The control file is held in memory; real ones are a few KiB. */
const controlLimit = 1024 * 1024;
/** control.tar unpacked: the sums of a million files. What is larger was made to fill a disk. */
const controlTarLimit = 256 * 1024 * 1024;

/**
 * Reads a package (deb(5)) once from front to end, in the memory of a few chunks. Throws a Failure that begins with
 * `reading <name>` on what dpkg would not install: no ar archive, cut off, members missing, a control file that cannot
 * stand in an index. `onControl` is called when the control file was read: from then on no piece of `bytes` is held for
 * longer than until the next but one.
 */
export async function readDeb(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  onControl: () => void = () => {},
): Promise<DebControl> {
  const refuse = (because: string) => damaged(`reading ${name}`, because);
  try {
    return await readMembers(streamSource(bytes), onControl);
  } catch (error) {
    if (error instanceof RangeError) throw refuse(error.message);
    if (error instanceof Failure)
      throw error.doing === 'reading a tar header' || error.doing === 'reading a tar'
        ? refuse(`its control.tar: ${error.because}`)
        : error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (/^(Z_|ZSTD_|ERR_)/.test(code)) throw refuse(`its control.tar: ${(error as Error).message}`);
    throw error;
  }
}

async function readMembers(source: ByteSource, onControl: () => void): Promise<DebControl> {
  const wanted = ['debian-binary', 'control.tar', 'data.tar'];
  let control: DebControl | undefined;
  for await (const member of readAr(source)) {
    const [next] = wanted;
    if (next === undefined) continue;
    // deb(5): members that begin with _ are for others.
    if (member.name.startsWith('_') && next !== 'debian-binary') continue;
    const suffix = member.name.slice(next.length);
    if (!member.name.startsWith(next)) throw new RangeError(`it has ${member.name} where ${next} ought to be`);
    wanted.shift();
    if (next === 'debian-binary') await requireFormat(source, member);
    else if (next === 'control.tar') {
      control = await readControlTar(source, member, suffix);
      onControl();
    } else if (!/^(|\.gz|\.xz|\.zst|\.bz2|\.lzma)$/.test(suffix))
      throw new RangeError(`it has data of an unknown kind: ${member.name}`);
  }
  if (wanted.length > 0 || control === undefined) throw new RangeError(`it has no ${wanted[0]}`);
  return control;
}

async function requireFormat(source: ByteSource, { name, size }: ArMember): Promise<void> {
  const text = name === 'debian-binary' && size <= 64 ? (await source.read(size)).toString('latin1') : '';
  if (!/^2\.[0-9]+\n/.test(text)) throw new RangeError('it is no Debian package of format 2');
}

async function readControlTar(
  source: ByteSource,
  { name, size, start }: ArMember,
  suffix: string,
): Promise<DebControl> {
  if (suffix !== '' && suffix !== '.gz' && suffix !== '.xz' && suffix !== '.zst')
    throw new RangeError(`its ${name} is of an unknown kind`);
  const compression: ControlCompression = suffix;
  let found: Buffer | undefined;
  for await (const { header, contents } of readTar(limited(decompress(compression, source.chunks(size))))) {
    if (header.name.replace(/^\.\//, '') !== 'control') continue;
    if (header.type !== 'file' || found !== undefined) throw new RangeError('its control file is not one plain file');
    if (header.size > controlLimit) throw new RangeError(`its control file has ${header.size} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of contents()) chunks.push(Buffer.from(chunk));
    found = Buffer.concat(chunks);
  }
  if (source.position < start + size && suffix !== '') await source.skip(start + size - source.position);
  if (found === undefined) throw new RangeError('its control.tar has no control file');
  try {
    return parseControl(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(found));
  } catch (error) {
    if (error instanceof TypeError) throw new RangeError('its control file is not UTF-8', { cause: error });
    throw error;
  }
}

async function* limited(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > controlTarLimit) throw new RangeError(`its control.tar unpacks to more than ${controlTarLimit} bytes`);
    yield chunk;
  }
}

/** Throws a RangeError on a control file that names no package, or would be more than one paragraph of an index. */
export function parseControl(text: string): DebControl {
  let control: Paragraph;
  try {
    control = parseParagraph(text);
  } catch (error) {
    throw new RangeError(`its control file: ${(error as Error).message}`, { cause: error });
  }
  const value = (field: string, isRight: (text: string) => boolean) => {
    const given = fieldOf(control, field);
    if (given === undefined) throw new RangeError(`its control file has no ${field}`);
    if (!isRight(given)) throw new RangeError(`its control file has ${field}: ${JSON.stringify(given.slice(0, 60))}`);
    return given;
  };
  return {
    name: value('Package', isPackageName),
    version: value('Version', isDebianVersion),
    architecture: value('Architecture', (given) => problemOfArchitecture(given) === undefined),
    control,
  };
}
