import { didYouMean } from '../../config/did-you-mean.ts';
import { itemsArgument, spreadArguments } from './arguments.ts';
import { Budget } from './budget.ts';
import { builtins } from './builtins.ts';
import { formatValue } from './format.ts';
import { requireKey } from './methods.ts';
import { binary, sizeOf, unary } from './operators.ts';
import { parameterValues } from './parameters.ts';
import { attributeOf, itemAt, putItem, sliceOf } from './parts.ts';
import { wrong, type Span } from './source.ts';
import type { Clause, Expression, Parameter, Statement, Target } from './syntax.ts';
import { isObject, isTrue, repr, Scope, kindOf, type Call, type Callable, type Dict, type Value } from './values.ts';

type Outcome = { kind: 'next' | 'break' | 'continue' } | { kind: 'return'; value: Value };
const next: Outcome = { kind: 'next' };

/**
 * Runs build files: no file, network or clock, and no end that is not near. What a file can do to the world is what
 * the functions in `world` do. Throws a Failure with its place on everything that is wrong.
 */
export class Evaluation {
  readonly #budget = new Budget();
  readonly #universe = new Scope();
  readonly #running: Callable[] = [];

  constructor(world: ReadonlyMap<string, Value>) {
    const caller = (callee: Value, call: Call) => this.call(callee, call);
    for (const [name, value] of [...builtins(this.#budget, caller), ...world]) this.#universe.names.set(name, value);
  }

  /** Runs a file; returns the names that it defines. */
  run(statements: readonly Statement[]): Map<string, Value> {
    const scope = new Scope(this.#universe);
    for (const statement of statements) this.#within(statement.span, () => this.#statement(statement, scope));
    return scope.names;
  }

  #within<T>(span: Span, evaluate: () => T): T {
    try {
      return evaluate();
    } catch (error) {
      if (error instanceof RangeError) throw wrong(span, 'this makes values that are too large, or nested too deep');
      throw error;
    }
  }

  call(callee: Value, call: Call): Value {
    const { span } = call;
    if (!isObject(callee, 'function')) throw wrong(span, `${kindOf(callee)} cannot be called`);
    if (callee.call) return callee.call(call);
    if (this.#running.includes(callee)) {
      throw wrong(span, `${callee.name} calls itself`, 'build files have no recursion: write a loop');
    }
    this.#running.push(callee);
    try {
      return this.#within(span, () => this.#enter(callee, call));
    } finally {
      this.#running.pop();
    }
  }

  #enter(callee: Callable, call: Call): Value {
    const { body } = callee.definition!;
    const scope = new Scope(callee.scope);
    for (const [name, value] of parameterValues(callee, call, this.#budget)) scope.names.set(name, value);
    if (!Array.isArray(body)) return this.#value(body, scope);
    const outcome = this.#budget.nested(call.span, () => this.#block(body, scope));
    return outcome.kind === 'return' ? outcome.value : null;
  }

  #block(statements: readonly Statement[], scope: Scope): Outcome {
    for (const statement of statements) {
      const outcome = this.#statement(statement, scope);
      if (outcome.kind !== 'next') return outcome;
    }
    return next;
  }

  #statement(statement: Statement, scope: Scope): Outcome {
    this.#budget.step(statement.span);
    switch (statement.kind) {
      case 'pass':
        return next;
      case 'break':
      case 'continue':
        return { kind: statement.kind };
      case 'expression':
        this.#value(statement.value, scope);
        return next;
      case 'assign':
        this.#assign(statement.target, this.#value(statement.value, scope), scope);
        return next;
      case 'update':
        this.#update(statement, scope);
        return next;
      case 'def': {
        const { name, parameters, body } = statement.definition;
        scope.names.set(name, this.#function(name, parameters, body, scope));
        return next;
      }
      case 'return':
        return { kind: 'return', value: statement.value ? this.#value(statement.value, scope) : null };
      case 'if': {
        const branch = statement.branches.find(({ condition }) => isTrue(this.#value(condition, scope)));
        return this.#budget.nested(statement.span, () => this.#block(branch?.body ?? statement.otherwise, scope));
      }
      case 'for':
        return this.#for(statement, scope);
    }
  }

  #for({ target, over, body, span }: Statement & { kind: 'for' }, scope: Scope): Outcome {
    // A copy: the body may change the list.
    for (const item of this.#items(over, scope).slice()) {
      this.#budget.step(span);
      this.#assign(target, item, scope);
      const outcome = this.#budget.nested(span, () => this.#block(body, scope));
      if (outcome.kind === 'break') break;
      if (outcome.kind === 'return') return outcome;
    }
    return next;
  }

  #items(expression: Expression, scope: Scope): readonly Value[] {
    const argument = { value: this.#value(expression, scope), span: expression.span };
    this.#budget.charge(sizeOf(argument.value), expression.span);
    return itemsArgument('a loop', argument);
  }

  #function(name: string, parameters: Parameter[], body: Statement[] | Expression, scope: Scope): Callable {
    const defaults = new Map<string, Value>();
    for (const { kind, name: parameter, fallback } of parameters) {
      if (kind === 'plain' && fallback) defaults.set(parameter, this.#value(fallback, scope));
    }
    return { kind: 'function', name, definition: { parameters, body, defaults }, scope };
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    switch (target.kind) {
      case 'name':
        scope.names.set(target.name, value);
        return;
      case 'index':
        putItem(this.#value(target.of, scope), this.#value(target.index, scope), value, target.span, this.#budget);
        return;
      case 'items': {
        const items = itemsArgument('this', { value, span: target.span });
        if (items.length !== target.items.length) {
          throw wrong(target.span, `there are ${target.items.length} names for ${items.length} values`);
        }
        for (const [index, each] of target.items.entries()) this.#assign(each, items[index]!, scope);
      }
    }
  }

  #update({ target, operator, value, span }: Statement & { kind: 'update' }, scope: Scope): void {
    if (target.kind === 'items' || operator === 'and' || operator === 'or') return;
    const before =
      target.kind === 'name'
        ? this.#name(target.name, target.span, scope)
        : itemAt(this.#value(target.of, scope), this.#value(target.index, scope), target.span, this.#budget);
    const right = this.#value(value, scope);
    if (operator === '+' && isObject(before, 'list')) {
      const items = [...itemsArgument('+=', { value: right, span: value.span })];
      this.#budget.charge(before.items.length + items.length, span);
      for (const item of items) before.items.push(item);
      if (target.kind === 'name' && !scope.names.has(target.name)) scope.names.set(target.name, before);
      return;
    }
    this.#assign(target, binary(operator, before, right, span, this.#budget), scope);
  }

  #value(expression: Expression, scope: Scope): Value {
    const { span } = expression;
    this.#budget.step(span);
    return this.#budget.nested(span, () => this.#evaluate(expression, scope));
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    const { span } = expression;
    switch (expression.kind) {
      case 'constant':
        return expression.value;
      case 'name':
        return this.#name(expression.name, span, scope);
      case 'format': {
        const parts = expression.pieces.map((piece) => {
          if (typeof piece === 'string') return piece;
          const { conversion, spec } = piece;
          return formatValue(this.#value(piece.value, scope), conversion, spec, span, this.#budget);
        });
        this.#budget.charge(
          parts.reduce((sum, part) => sum + part.length, 0),
          span,
        );
        return parts.join('');
      }
      case 'list':
      case 'tuple':
        return { kind: expression.kind, items: expression.items.map((item) => this.#value(item, scope)) };
      case 'dict':
        return this.#dict(expression.entries, scope);
      case 'list-comprehension': {
        const items: Value[] = [];
        this.#comprehend(expression.clauses, new Scope(scope), (inner) => {
          items.push(this.#value(expression.value, inner));
        });
        this.#budget.charge(items.length, span);
        return { kind: 'list', items };
      }
      case 'dict-comprehension': {
        const entries: Dict['entries'] = new Map();
        this.#comprehend(expression.clauses, new Scope(scope), (inner) => {
          const key = this.#value(expression.key, inner);
          entries.set(requireKey(key, expression.key.span, this.#budget), [key, this.#value(expression.value, inner)]);
        });
        this.#budget.charge(entries.size, span);
        return { kind: 'dict', entries };
      }
      case 'unary':
        return unary(expression.operator, this.#value(expression.value, scope), span);
      case 'binary':
        return this.#binary(expression, scope);
      case 'condition': {
        const holds = isTrue(this.#value(expression.condition, scope));
        return this.#value(holds ? expression.consequent : expression.otherwise, scope);
      }
      case 'lambda':
        return this.#function('lambda', expression.parameters, expression.value, scope);
      case 'call':
        return this.#call(expression, scope);
      case 'attribute':
        return attributeOf(this.#value(expression.of, scope), expression.name, expression.nameSpan, this.#budget);
      case 'index':
        return itemAt(this.#value(expression.of, scope), this.#value(expression.index, scope), span, this.#budget);
      case 'slice':
        return this.#slice(expression, scope);
    }
  }

  #slice({ of, from, to, step, span }: Expression & { kind: 'slice' }, scope: Scope): Value {
    const whole = this.#value(of, scope);
    const bound = (part: Expression | undefined) => (part ? this.#value(part, scope) : null);
    const places = { from: (from ?? of).span, to: (to ?? of).span, step: (step ?? of).span };
    return sliceOf(whole, { from: bound(from), to: bound(to), step: bound(step), places }, span, this.#budget);
  }

  #binary({ operator, left, right, span }: Expression & { kind: 'binary' }, scope: Scope): Value {
    const first = this.#value(left, scope);
    if (operator === 'and') return isTrue(first) ? this.#value(right, scope) : first;
    if (operator === 'or') return isTrue(first) ? first : this.#value(right, scope);
    return binary(operator, first, this.#value(right, scope), span, this.#budget);
  }

  #name(name: string, span: Span, scope: Scope): Value {
    const found = scope.find(name);
    if (found) return found.names.get(name)!;
    const near = didYouMean(name, scope.known());
    throw wrong(span, `there is no ${name} here`, near === undefined ? 'define it above' : `did you mean ${near}?`);
  }

  #dict(pairs: [Expression, Expression][], scope: Scope): Value {
    const entries: Dict['entries'] = new Map();
    for (const [keyExpression, value] of pairs) {
      const key = this.#value(keyExpression, scope);
      const hash = requireKey(key, keyExpression.span, this.#budget);
      if (entries.has(hash))
        throw wrong(keyExpression.span, `the key ${repr(key)} stands here twice`, 'keep one of the two');
      entries.set(hash, [key, this.#value(value, scope)]);
    }
    return { kind: 'dict', entries };
  }

  #comprehend(clauses: readonly Clause[], scope: Scope, each: (scope: Scope) => void): void {
    const [clause, ...others] = clauses;
    if (clause === undefined) each(scope);
    else if (clause.kind === 'if') {
      if (isTrue(this.#value(clause.condition, scope))) this.#comprehend(others, scope, each);
    } else {
      for (const item of this.#items(clause.over, scope).slice()) {
        this.#budget.step(clause.over.span);
        this.#assign(clause.target, item, scope);
        this.#comprehend(others, scope, each);
      }
    }
  }

  #call({ callee, args, span }: Expression & { kind: 'call' }, scope: Scope): Value {
    const called = this.#value(callee, scope);
    const given = args.map((argument) => ({ ...argument, value: this.#value(argument.value, scope) }));
    return this.call(called, { ...spreadArguments(given), span });
  }
}
