import { expect, test } from 'vitest';
import { remoteEndpoint } from '../../src/engine/elsewhere.ts';

test.each([
  'unix:///var/run/docker.sock',
  'npipe:////./pipe/docker_engine',
  'tcp://127.0.0.1:2375',
  'tcp://localhost:1234',
  'tcp://[::1]:1234',
  'docker-container://buildkitd',
  '',
])('%s is this machine', (endpoint) => {
  expect(remoteEndpoint(endpoint)).toBeUndefined();
});

test.each(['ssh://build@host', 'tcp://10.0.0.7:2375', 'tcp://localhost.example.com:1', 'https://builder:443'])(
  '%s is elsewhere',
  (endpoint) => {
    expect(remoteEndpoint(endpoint)).toBe(endpoint);
  },
);
