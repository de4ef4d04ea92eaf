import { afterEach, expect, test, vi } from 'vitest';
import {
  flagInput,
  linesInput,
  namesInput,
  platformInput,
  requiredInput,
  runnersInput,
  secretInput,
  secretsInput,
} from '../../src/actions/inputs.ts';

afterEach(() => vi.unstubAllEnvs());

const given = (name: string, value: string) => vi.stubEnv(`INPUT_${name.toUpperCase()}`, value);
const silently = <T>(work: () => T): T => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    return work();
  } finally {
    write.mockRestore();
  }
};

test('flags are true or false and nothing else', () => {
  given('force', 'TRUE');
  expect(flagInput('force')).toBe(true);
  given('force', '');
  expect(flagInput('force')).toBe(false);
  given('force', 'yes');
  expect(() => flagInput('force')).toThrow('reading the input force: "yes" is neither true nor false');
});

test('names stand between spaces, commas and line breaks', () => {
  given('layers', ' base, engine\nservice ');
  expect(namesInput('layers')).toEqual(['base', 'engine', 'service']);
  expect(namesInput('images')).toEqual([]);
});

test('lines are trimmed and blank ones dropped', () => {
  given('x', ' a b \n\n c');
  expect(linesInput('x')).toEqual(['a b', 'c']);
});

test('a required input that is missing is named', () => {
  expect(() => requiredInput('tags')).toThrow('reading the input tags: it is required and not set');
});

test('runners by platform: one label or several', () => {
  given('runners', 'linux/arm64=ubuntu-24.04-arm\nlinux/amd64 = self-hosted, big');
  expect([...runnersInput('runners')]).toEqual([
    ['linux/arm64', 'ubuntu-24.04-arm'],
    ['linux/amd64', ['self-hosted', 'big']],
  ]);
  given('runners', 'arm64=x');
  expect(() => runnersInput('runners')).toThrow(/not a platform/);
  given('runners', 'linux/arm64');
  expect(() => runnersInput('runners')).toThrow(/is not PLATFORM=LABEL/);
});

test('a platform is normalised', () => {
  given('platform', 'linux/aarch64');
  expect(platformInput('platform')).toBe('linux/arm64');
});

test('a secret is masked and leaves the environment', () => {
  given('token', 'ghs_secret');
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(secretInput('token')).toBe('ghs_secret');
  const printed = write.mock.calls.map(([text]) => String(text)).join('');
  write.mockRestore();
  expect(printed).toContain('::add-mask::ghs_secret');
  expect(process.env.INPUT_TOKEN).toBeUndefined();
});

test('secrets are NAME=VALUE, or many lines between marks', () => {
  given('secrets', 'A=1=2\nKEY<<END\nline one\n line two\nEND\n');
  expect([...silently(() => secretsInput('secrets'))]).toEqual([
    ['A', '1=2'],
    ['KEY', 'line one\n line two'],
  ]);
});

test.each(['no equals sign hush', 'K<<END\nhush'])('a broken secret is never quoted: %j', (text) => {
  given('secrets', text);
  let message = '';
  silently(() => {
    try {
      secretsInput('secrets');
    } catch (error) {
      message = (error as Error).message;
    }
  });
  expect(message).toMatch(/^reading the input secrets: /);
  expect(message).not.toContain('hush');
});
