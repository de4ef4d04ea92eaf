/** What an answer's Content-Range says, in bytes. RFC 9110, 14.4. */
export type ContentRange =
  /** `bytes 100-199/200`; `last` counts. `total` is undefined where the server says `*`. */
  | { kind: 'range'; first: number; last: number; total: number | undefined }
  /** `bytes *\/200`: the range that was asked for does not exist in so many bytes. */
  | { kind: 'unsatisfied'; total: number };

const form = /^bytes[ \t]+(?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i;

/** Undefined for whatever cannot be such a header: other units, a range that ends before it begins or past its total. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = form.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last, total] = match
    .slice(1)
    .map((part) => (part === undefined || part === '*' ? undefined : Number(part)));
  for (const number of [first, last, total])
    if (number !== undefined && !Number.isSafeInteger(number)) return undefined;
  if (first === undefined || last === undefined)
    return total === undefined ? undefined : { kind: 'unsatisfied', total };
  if (last < first || (total !== undefined && last >= total)) return undefined;
  return { kind: 'range', first, last, total };
}
