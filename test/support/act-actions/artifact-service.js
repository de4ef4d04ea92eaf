// GitHub's artifact service, as far as the workflows see it: a folder for each artifact of the run, immutable by name.
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';

export function service() {
  const folder = process.env.IMGBUILD_TEST_ARTIFACTS;
  if (!folder) fail('IMGBUILD_TEST_ARTIFACTS is not set');
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function input(name) {
  return (process.env[`INPUT_${name.toUpperCase()}`] ?? '').trim();
}

export function fail(message) {
  console.log(`::error::${message}`);
  process.exit(1);
}

export function create(name) {
  if (name === '' || /["<>|*?:\r\n\\/]/.test(name)) fail(`The artifact name is not valid: ${name}`);
  const target = path.join(service(), name);
  if (existsSync(target)) {
    fail(
      `Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: ` +
        `an artifact with this name already exists on the workflow run: ${name}`,
    );
  }
  mkdirSync(target);
  return target;
}

/** A file goes to the artifact's root, a folder's content too; hidden files are left out, as by default. */
export function add(source, target) {
  const visible = (file) => file === source || !path.basename(file).startsWith('.');
  if (readIsFolder(source)) cpSync(source, target, { recursive: true, filter: visible });
  else cpSync(source, path.join(target, path.basename(source)));
}

export function list() {
  return readdirSync(service()).toSorted();
}

function readIsFolder(file) {
  try {
    readdirSync(file);
    return true;
  } catch {
    return false;
  }
}
