import { getInput, setSecret } from '@actions/core';
import { Failure } from '../failure.ts';
import { parsePlatform, platformName, type PlatformName } from '../oci/platform.ts';

/** What the user wrote under `with:`. Everything wrong in it is a Failure of kind `input` that names the input. */
export function textInput(name: string): string | undefined {
  const text = getInput(name);
  return text === '' ? undefined : text;
}

export function requiredInput(name: string): string {
  const text = textInput(name);
  if (text === undefined) throw wrongInput(name, 'it is required and not set', `set \`${name}:\` under \`with:\``);
  return text;
}

/** Masks the value in the log and takes it out of the environment, so that no program that is started sees it. */
export function secretInput(name: string): string | undefined {
  const text = textInput(name);
  delete process.env[`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`];
  if (text !== undefined) setSecret(text);
  return text;
}

export function flagInput(name: string): boolean {
  const text = getInput(name).toLowerCase();
  if (text === 'true') return true;
  if (text === 'false' || text === '') return false;
  throw wrongInput(name, `${JSON.stringify(text)} is neither true nor false`, 'write true or false');
}

/** One of a few words. */
export function choiceInput<const T extends string>(name: string, choices: readonly T[]): T {
  const text = getInput(name);
  const found = choices.find((each) => each === text);
  if (found !== undefined) return found;
  throw wrongInput(name, `${JSON.stringify(text)} is none of its words`, `write ${choices.join(' or ')}`);
}

/** Names with spaces, commas or line breaks between them. */
export function namesInput(name: string): string[] {
  return getInput(name)
    .split(/[\s,]+/)
    .filter((word) => word !== '');
}

/** Lines that are not blank, without the space around them. */
export function linesInput(name: string): string[] {
  return getInput(name)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** `linux/arm64=ubuntu-24.04-arm`, a line for each platform; several labels with commas between them. */
export function runnersInput(name: string): Map<PlatformName, string | string[]> {
  const runners = new Map<PlatformName, string | string[]>();
  for (const line of linesInput(name)) {
    const [platform, labels] = splitOnce(line, '=');
    const list = (labels ?? '').split(',').map((label) => label.trim());
    if (platform === '' || list.includes('')) {
      throw wrongInput(name, `${JSON.stringify(line)} is not PLATFORM=LABEL`, 'write linux/arm64=ubuntu-24.04-arm');
    }
    runners.set(platformOf(name, platform), list.length === 1 ? list[0]! : list);
  }
  return runners;
}

export function platformInput(name: string): PlatformName | undefined {
  const text = textInput(name);
  return text === undefined ? undefined : platformOf(name, text);
}

/**
 * `NAME=VALUE` lines, and for values of several lines `NAME<<END`, the lines, `END`: as in GitHub's own environment
 * files. Each value is masked; none is ever part of a message.
 */
export function secretsInput(name: string): Map<string, string> {
  const secrets = parseSecrets(name, secretInput(name) ?? '');
  for (const value of secrets.values()) if (value !== '') setSecret(value);
  return secrets;
}

function parseSecrets(name: string, text: string): Map<string, string> {
  const secrets = new Map<string, string>();
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]!;
    if (line.trim() === '') continue;
    const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)(=|<<)(.*)$/.exec(line);
    if (!match) throw wrongInput(name, `line ${at + 1} is not NAME=VALUE`, 'write a line NAME=VALUE for each secret');
    const [, key, sign, rest] = match as unknown as [string, string, string, string];
    if (sign === '=') secrets.set(key, rest);
    else {
      const end = lines.indexOf(rest, at + 1);
      if (end < 0) throw wrongInput(name, `what ${key}<< begins has no end`, 'write the end mark on a line of its own');
      secrets.set(key, lines.slice(at + 1, end).join('\n'));
      at = end;
    }
  }
  return secrets;
}

export function wrongInput(name: string, because: string, fix: string): Failure {
  return new Failure({ doing: `reading the input ${name}`, because, fix, kind: 'input' });
}

function platformOf(name: string, text: string): PlatformName {
  try {
    return platformName(parsePlatform(text));
  } catch (error) {
    throw wrongInput(name, (error as Error).message, 'write OS/ARCH, such as linux/arm64');
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text.trim(), undefined] : [text.slice(0, at).trim(), text.slice(at + separator.length).trim()];
}
