import { parseExpression } from './parse-expression.ts';
import { wrong } from './source.ts';
import type { Parameter } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';

/** Up to, and not including, the token that ends them. */
export function parseParameters(stream: TokenStream, end: ')' | ':'): Parameter[] {
  const parameters: Parameter[] = [];
  while (!stream.is(end)) {
    const kind = stream.passes('**') ? 'double-star' : stream.passes('*') ? 'star' : 'plain';
    if (kind === 'star' && stream.is(',')) {
      throw stream.unexpected('a * alone is not read', 'leave it out: every parameter may be given by its name');
    }
    const name = stream.expectName('the name of a parameter');
    const span = stream.span(name);
    if (parameters.some((other) => other.name === name.text)) {
      throw wrong(span, `there are two parameters ${name.text}`, 'give one another name');
    }
    const last = parameters.at(-1);
    if (last?.kind === 'double-star') throw wrong(span, 'nothing can follow the ** parameter', 'move it to the end');
    if (stream.is(':') && end === ')') throw stream.unexpected('there are no types in build files', 'leave it out');
    const parameter: Parameter = { kind, name: name.text, span };
    if (kind === 'plain' && stream.passes('=')) parameter.fallback = parseExpression(stream);
    else if (kind === 'plain' && last?.fallback) {
      throw wrong(span, `${name.text} has no default, and a parameter before it has`, `write ${name.text}=…`);
    }
    parameters.push(parameter);
    if (!stream.passes(',')) break;
  }
  return parameters;
}
