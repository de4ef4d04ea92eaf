import { splitCsv } from './words.ts';

/** One `RUN --mount=…`, as far as it decides what the step sees. */
export interface Mount {
  type: string;
  /** A stage or an image; undefined for the build context (bind) or nothing (the others). */
  from: string | undefined;
  source: string;
  target: string;
  id: string | undefined;
}

/**
 * `value` writes the variables in a value; it is not asked for `from`, which takes none.
 * Throws a RangeError that says what is wrong.
 */
export function parseMount(text: string, value: (text: string) => string): Mount {
  const fields = splitCsv(text);
  if (!fields) throw new RangeError('a quote is out of place');
  const mount: Mount = { type: 'bind', from: undefined, source: '', target: '', id: undefined };
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 0) continue;
    const key = field.slice(0, equals).toLowerCase();
    const written = field.slice(equals + 1);
    if (key === 'from') {
      if (/\$./.test(written)) throw new RangeError('from= takes no variables');
      if (written !== '') mount.from = written;
    } else if (key === 'type') mount.type = value(written).toLowerCase();
    else if (key === 'source' || key === 'src') mount.source = value(written);
    else if (key === 'target' || key === 'dst' || key === 'destination') mount.target = value(written);
    else if (key === 'id') mount.id = value(written);
  }
  return mount;
}

/** What names a mount for people: a secret's or SSH key's id, a cache's id, else its target. */
export function mountId(mount: Mount): string {
  const { type, id, source, target } = mount;
  if (type === 'ssh') return id || 'default';
  if (type === 'secret') return source || id || target.slice(target.lastIndexOf('/') + 1);
  return id || target;
}
