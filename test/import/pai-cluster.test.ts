import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { parseCluster } from '../../src/import/pai/cluster.ts';
import { renderError, styleFor } from '../../src/report/failure.ts';

const older = `cluster:
  clusterid: x
  docker-registry-info:
    docker-namespace: your_ns
    docker-registry-domain: public
    docker-username: me
    docker-password: s3cret
    docker-tag: 0.10
`;

describe('the registry section', () => {
  test('is read in both forms, the older first', () => {
    const credential = { user: 'me', password: 's3cret' };
    expect(parseCluster(older, 's.yaml')).toEqual({
      domain: 'docker.io',
      namespace: 'your_ns',
      tag: '0.10',
      credential,
    });
    const newer =
      'cluster:\n  docker-registry: { domain: gcr.io, namespace: openpai, tag: v1, username: 1, password: 0123 }\n';
    expect(parseCluster(newer, 's.yaml')).toEqual({
      domain: 'gcr.io',
      namespace: 'openpai',
      tag: 'v1',
      credential: { user: '1', password: '0123' },
    });
    expect(parseCluster(`${older}  docker-registry: { domain: x }\n`, 's.yaml').namespace).toBe('your_ns');
    expect(parseCluster('cluster: { docker-registry: { domain: r.io, tag: 1 } }', 's.yaml')).toEqual({
      domain: 'r.io',
      namespace: '',
      tag: '1',
    });
  });

  test.each([
    ['cluster: {}', 'there is no section cluster.docker-registry'],
    ['cluster: { docker-registry: { domain: r.io } }', 'tag is missing in cluster.docker-registry'],
    ['cluster: { docker-registry: { domain: r.io, tag: t, password: s3cret } }', 'username is missing'],
    ['cluster: { docker-registry: { domain: r.io, tag: t, username: u, password: [s3cret] } }', 'password is no text'],
    ['cluster: { docker-registry: { password: s3cret, domain: r.io, password: s3cret } }', 'no valid YAML'],
    ['cluster:\n  docker-registry:\n\tpassword: s3cret', 'no valid YAML'],
    ['cluster: { docker-registry: { password: *s3cret } }', 'no valid YAML'],
    ['cluster:\n  docker-registry:\n    password: |s3cret', 'no valid YAML'],
    ['cluster:\n  docker-registry:\n    password: "a"s3cret', 'no valid YAML'],
  ])('%j is refused, and no password is shown', (text, because) => {
    let error: unknown;
    try {
      parseCluster(text, 's.yaml');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Failure);
    const shown = renderError(error, styleFor({}, {}));
    expect(shown).toContain(because);
    expect(shown).not.toContain('s3cret');
    expect((error as Failure).kind).toBe('input');
  });
});
