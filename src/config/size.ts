/** Bytes as `1900MiB`, `2GB`, `1.5 kB` or `400` say them; undefined for other texts. */
export function parseBytes(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?) ?(?:([kKMGT]?)(i?)B)?$/.exec(text);
  if (match === null) return undefined;
  const power = ['', 'K', 'M', 'G', 'T'].indexOf((match[2] ?? '').toUpperCase());
  return Math.floor(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}
