import { describe, expect, test } from 'vitest';
import { analyse } from '../../src/dockerfile/analyse.ts';
import type { Analysis } from '../../src/dockerfile/analysis.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

const amd64 = parsePlatform('linux/amd64');

function analysis(
  text: string,
  options: { platform?: string; at?: string[]; args?: Record<string, string> } = {},
): Analysis {
  return analyse(parseDockerfile(text, 'Dockerfile'), {
    args: options.args ?? {},
    platform: parsePlatform(options.platform ?? 'linux/amd64'),
    buildPlatform: amd64,
    packages: { at: options.at ?? [] },
    traitsOf: () => ({ env: ['FROM_BASE=b'], onbuild: [] }),
  });
}

/** What the RUN fetches: alternatives of one word with `|` between them. */
const fetched = (run: string, options: Parameters<typeof analysis>[1] & { declared?: string } = {}) =>
  analysis(`FROM a\n${options.declared ?? ''}${run}\n`, options).packages.map(({ patterns }) => patterns.join('|'));

const at = 'http://172.17.0.1:3000';

describe('what a step fetches', () => {
  test.each([
    [`RUN wget -q ${at}/x.run -P ~/ && bash x.run`, ['x.run']],
    [`RUN curl -fO "${at}/sub/a%20b+c.whl?x=1#y"`, ['sub/a b+c.whl']],
    ['RUN ["wget", "http://172.17.0.1:3000/$NAME.run"]', ['$NAME.run']],
    [`RUN wget '${at}/$VERSION'`, ['$VERSION']],
    [`RUN wget ${at}/x-$VERSION-\${VERSION}_\${NONE:-none}.run`, ['x-8.0.0-8.0.0_none.run']],
    [`RUN wget ${at}/x-\${FROM_BASE}.run`, ['x-b.run']],
    [`RUN wget ${at}/x-$(uname -m).run ${at}/y-\`dpkg --print-architecture\`.deb`, ['x-x86_64.run', 'y-amd64.deb']],
    [`RUN wget ${at}/x-$(date +%F).run`, ['x-*.run']],
    [`RUN wget ${at}/\${VERSION%.*}.run`, ['*.run']],
    [`RUN URL=${at}; wget $URL/x.run`, ['x.run']],
    [`RUN pip install --no-index --find-links ${at}/wheels/ torch`, ['wheels']],
    [`RUN wget -r ${at}/`, ['']],
    [`RUN for f in one two; do wget ${at}/$f.tar; done`, ['one.tar|two.tar']],
    [`RUN wget http://example.com/x http://8.8.8.8/x https://172.17.0.1/x`, []],
    [`RUN wget http://10.213.0.1:8000/x http://192.168.1.1/y http://172.32.0.1/z`, ['x', 'y']],
    [`RUN wget ${at}/../../etc/passwd ${at}/%2e%2e/etc/shadow`, ['etc/passwd', 'etc/shadow']],
    [`RUN true # wget ${at}/x`, []],
    [`RUN wget ${at}/a && \\\n    # wget ${at}/b && \\\n    wget ${at}/c`, ['a', 'c']],
    [`RUN <<EOF\nwget ${at}/x-$VERSION.run\nEOF`, ['x-8.0.0.run']],
    [`ADD ${at}/x-\${VERSION}.tar /x/`, ['x-8.0.0.tar']],
  ])('%s', (run, names) => {
    expect(fetched(run, { declared: 'ARG VERSION=8.0.0\n' })).toEqual(names);
  });

  test('packagesAt names the addresses that count', () => {
    const run = `RUN wget ${at}/x http://10.0.0.1/y http://10.0.0.1:81/z`;
    expect(fetched(run, { at: ['10.0.0.1:80'] })).toEqual(['y']);
  });

  test.each([
    [
      'if [ "$TARGETARCH" = arm64 ]; then A=aarch64; else A=x86_64; fi; wget AT/x-$A.run',
      'x-x86_64.run',
      'x-aarch64.run',
    ],
    ['case $TARGETARCH in amd64) A=x ;; arm*) A=a ;; esac && wget AT/$A', 'x', 'a'],
    ['[ "$TARGETARCH" = arm64 ] && A=a || A=x; wget AT/$A', 'x', 'a'],
    ['if test $TARGETARCH != arm64; then wget AT/x; elif true; then wget AT/a; else wget AT/never; fi', 'x', 'a'],
    ['[ $TARGETARCH = arm64 ] && { wget AT/a; true; } || ( wget AT/x )', 'x', 'a'],
  ])('by platform: %s', (script, forAmd64, forArm64) => {
    const run = `RUN ${script.replaceAll('AT', at)}`;
    const declared = 'ARG TARGETARCH\n';
    expect(fetched(run, { declared, platform: 'linux/amd64' })).toEqual([forAmd64]);
    expect(fetched(run, { declared, platform: 'linux/arm64' })).toEqual([forArm64]);
  });

  test('what is decided in the build may be either', () => {
    expect(fetched(`RUN if grep -q x /y; then A=a; else A=b; fi; wget ${at}/$A`)).toEqual(['|a|b']);
    expect(fetched(`RUN wget ${at}/a || wget ${at}/b`)).toEqual(['a', 'b']);
  });

  test('only what the target needs, at the place that names it', () => {
    const text = `FROM a AS one\nRUN wget ${at}/one\nFROM a AS two\nRUN true && \\\n  wget ${at}/two\nFROM two\n`;
    const { packages } = analysis(text);
    expect(packages).toEqual([
      {
        via: 'url',
        address: { host: '172.17.0.1', port: 3000 },
        patterns: ['two'],
        step: 4,
        at: { file: 'Dockerfile', line: 5, column: 8, length: `${at}/two`.length, text: `  wget ${at}/two` },
      },
    ]);
  });

  test('an ADD of a served file is pinned by the file', () => {
    expect(analysis(`FROM a\nADD ${at}/x /x\n`).unpinned).toEqual([]);
  });
});

test('from=packages is the folder, not an image; a stage of that name comes first', () => {
  const text = `FROM a\nARG V=1\nRUN --mount=type=bind,from=packages,source=x-$V.run,target=/x.run /x.run\nRUN --mount=from=packages,target=/p true\nCOPY --from=packages *.whl sub/ /w/\n`;
  const { packages, images } = analysis(text);
  expect(packages.map(({ via, patterns }) => [via, ...patterns])).toEqual([
    ['mount', 'x-1.run'],
    ['mount', ''],
    ['copy', '*.whl'],
    ['copy', 'sub'],
  ]);
  expect(images.map(({ reference }) => reference)).toEqual(['a']);
  const own = analysis('FROM a AS packages\nFROM a\nCOPY --from=packages /x /y\n');
  expect(own.packages).toEqual([]);
});

test.each([
  ['wget X/a; bash a.sh; rm a', ['wget X/a', 'bash a.sh']],
  ['wget X/a && bash a.sh; rm a', ['bash a.sh']],
  ['set -e; wget X/a; bash a.sh', []],
  ['set -ex\nwget X/a\nbash a.sh', []],
  ['set -o errexit; wget X/a; true', []],
  ['wget X/a && yes | ./a.run --install --quiet && rm a; cd /', ['rm a']],
  ['if ! wget X/a; then exit 1; fi; true', []],
  ['echo a; cd /; wget X/a', []],
  ['wget X/a || true; echo', []],
])('the failure of an installer that is passed over: %s', (script, commands) => {
  const run = `RUN ${script.replaceAll('X', at).replaceAll('\n', ' && \\\n')}`;
  const found = analysis(`FROM a\n${run}\n`).ignoredFailures;
  const expected = commands.filter((command) => command !== 'rm a').map((command) => command.replace('X', at));
  expect(found.map(({ command }) => command)).toEqual(expected);
  for (const { at: place } of found) expect(place.line).toBe(2);
});
