import type { Span } from './source.ts';

export type BinaryOperator =
  | 'or'
  | 'and'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | 'in'
  | 'not in'
  | '|'
  | '&'
  | '^'
  | '<<'
  | '>>'
  | '+'
  | '-'
  | '*'
  | '//'
  | '%';

/** `spec` is what stands after the colon: `{port:04d}`. */
export type FormatPiece = string | { value: Expression; conversion: 's' | 'r'; spec: string };

export interface CallArgument {
  kind: 'positional' | 'named' | 'star' | 'double-star';
  name?: string;
  value: Expression;
  span: Span;
}

/** `for TARGET in OVER`, or `if CONDITION`. */
export type Clause = { kind: 'for'; target: Target; over: Expression } | { kind: 'if'; condition: Expression };

export type Expression = { span: Span } & (
  | { kind: 'constant'; value: null | boolean | number | string }
  | { kind: 'format'; pieces: FormatPiece[] }
  | { kind: 'name'; name: string }
  | { kind: 'list' | 'tuple'; items: Expression[] }
  | { kind: 'dict'; entries: [key: Expression, value: Expression][] }
  | { kind: 'list-comprehension'; value: Expression; clauses: Clause[] }
  | { kind: 'dict-comprehension'; key: Expression; value: Expression; clauses: Clause[] }
  | { kind: 'unary'; operator: '-' | '+' | '~' | 'not'; value: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'condition'; condition: Expression; consequent: Expression; otherwise: Expression }
  | { kind: 'lambda'; parameters: Parameter[]; value: Expression }
  | { kind: 'call'; callee: Expression; args: CallArgument[] }
  | { kind: 'attribute'; of: Expression; name: string; nameSpan: Span }
  | { kind: 'index'; of: Expression; index: Expression }
  | {
      kind: 'slice';
      of: Expression;
      from: Expression | undefined;
      to: Expression | undefined;
      step: Expression | undefined;
    }
);

/** What can stand on the left of `=` and after `for`. */
export type Target = { span: Span } & (
  | { kind: 'name'; name: string }
  | { kind: 'items'; items: Target[] }
  | { kind: 'index'; of: Expression; index: Expression }
);

export interface Parameter {
  kind: 'plain' | 'star' | 'double-star';
  name: string;
  /** Absent where a value must be given. */
  fallback?: Expression;
  span: Span;
}

export interface FunctionDefinition {
  name: string;
  parameters: Parameter[];
  body: Statement[];
}

export type Statement = { span: Span } & (
  | { kind: 'expression'; value: Expression }
  | { kind: 'assign'; target: Target; value: Expression }
  /** `target op= value`. */
  | { kind: 'update'; target: Target; operator: BinaryOperator; value: Expression }
  | { kind: 'def'; definition: FunctionDefinition }
  | { kind: 'if'; branches: { condition: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | { kind: 'for'; target: Target; over: Expression; body: Statement[] }
  | { kind: 'return'; value: Expression | undefined }
  | { kind: 'break' | 'continue' | 'pass' }
);
