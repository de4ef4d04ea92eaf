import { Wrong } from './wrong.ts';

export const variable = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The name of a build arg or of a variable of the environment. Throws a Wrong. */
export function parseVariable(value: string): string {
  if (!variable.test(value)) {
    throw new Wrong('this is not the name of a variable', 'write letters, digits and _, no digit first');
  }
  return value;
}
