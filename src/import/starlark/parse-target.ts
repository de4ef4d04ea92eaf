import { parsePrimary } from './parse-expression.ts';
import { across, wrong } from './source.ts';
import type { Expression, Target } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';

/** The variables of a for. */
export function parseTarget(stream: TokenStream): Target {
  const first = parsePrimary(stream);
  if (!stream.is(',')) return targetOf(first);
  const items = [targetOf(first)];
  while (stream.passes(',')) {
    if (stream.is('in')) break;
    items.push(targetOf(parsePrimary(stream)));
  }
  return { kind: 'items', items, span: across(first.span, items.at(-1)!.span) };
}

/** Throws a Failure where nothing can be assigned to the expression. */
export function targetOf(expression: Expression): Target {
  const { span } = expression;
  switch (expression.kind) {
    case 'name':
      return { kind: 'name', name: expression.name, span };
    case 'index':
      return { kind: 'index', of: expression.of, index: expression.index, span };
    case 'list':
    case 'tuple':
      return { kind: 'items', items: expression.items.map(targetOf), span };
    default:
      throw wrong(span, 'nothing can be assigned to this', 'write a name on the left of =');
  }
}
