/** A package delta that other decoders are tested with, and what comes out of it. */
export interface Vector {
  from: string;
  to: string;
  delta: string;
  size: number;
  sha256: string;
}

/** The files of the package `app` in a version, which the device's tests make likewise. */
export function vectorFiles(version: string): Record<string, string> {
  const lines = Array.from({ length: 3000 }, (_, at) => `line ${at}${at === 1500 ? ` of version ${version}` : ''}\n`);
  const text = lines.join('');
  return {
    'usr/lib/app/text': text,
    [`usr/lib/app/${'long/'.repeat(20)}name`]: `all the same in each of them: ${text.slice(0, 999)}`,
    'etc/app.conf': `version ${version}, which is a setting and no source\n`,
    'DEBIAN/conffiles': '/etc/app.conf\n',
    'DEBIAN/md5sums': `0123456789abcdef0123456789abcdef  usr/lib/app/${version}\n`,
  };
}
