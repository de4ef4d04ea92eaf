import { bind } from './arguments.ts';
import type { Budget } from './budget.ts';
import { requireKey } from './methods.ts';
import type { Call, Callable, Value } from './values.ts';

/** What the parameters of a function of the file are in a call: arguments, defaults, and what is left for * and **. */
export function parameterValues(
  { name: callee, definition }: Callable,
  call: Call,
  budget: Budget,
): Map<string, Value> {
  const { parameters, defaults } = definition!;
  const plain = parameters.filter(({ kind }) => kind === 'plain').map(({ name }) => name);
  const rest = parameters.find(({ kind }) => kind === 'star');
  const others = parameters.find(({ kind }) => kind === 'double-star');
  const named = new Map([...call.named].filter(([name]) => plain.includes(name)));
  const required = plain.filter((name) => !defaults.has(name)).length;
  const bound = bind(callee, plain, required, {
    span: call.span,
    positional: rest ? call.positional.slice(0, plain.length) : call.positional,
    named: others ? named : call.named,
  });
  const values = new Map<string, Value>(
    plain.map((name) => [name, bound.get(name)?.value ?? defaults.get(name) ?? null]),
  );
  if (rest) {
    const items = call.positional.slice(plain.length).map(({ value }) => value);
    values.set(rest.name, { kind: 'tuple', items });
  }
  if (others) {
    const unknown = [...call.named].filter(([name]) => !plain.includes(name));
    const entries = new Map(
      unknown.map(([name, { value, span }]) => {
        const entry: [Value, Value] = [name, value];
        return [requireKey(name, span, budget), entry] as const;
      }),
    );
    values.set(others.name, { kind: 'dict', entries });
  }
  return values;
}
