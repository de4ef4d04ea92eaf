import { isMap, isScalar, isSeq, parseDocument, visit, type Document, type Node, type Pair } from 'yaml';
import { Failure, type SourceLocation } from '../failure.ts';

export type DataPath = readonly (string | number)[];

/** A YAML 1.2 text and where each key and value of it stands. */
export interface YamlSource {
  /** Plain data: maps as objects with string keys. Undefined when the text has syntax errors. */
  data: unknown;
  /** What is wrong with the text itself, duplicate keys among it. */
  failures: Failure[];
  /** The nearest thing above where the path itself is not there. */
  locate(path: DataPath, part?: 'key' | 'value'): SourceLocation;
  /** A scalar as it is written, quotes and all. */
  written(path: DataPath): string | undefined;
}

const explanations: Record<string, { because: string; fix: string }> = {
  DUPLICATE_KEY: { because: 'this key stands here twice', fix: 'keep one of the two' },
  TAB_AS_INDENT: { because: 'a tab indents this line', fix: 'indent with spaces' },
  MULTIPLE_DOCS: { because: 'a second document begins here', fix: 'keep one document: remove the line ---' },
  NON_STRING_KEY: { because: 'this key is not a text', fix: 'write a plain word as the key' },
};

/** `file` is how messages name it. */
export function parseYaml(text: string, file: string): YamlSource {
  const document = parseDocument(text, { stringKeys: true, prettyErrors: false });
  const rows = text.split('\n');

  const starts = [0];
  for (const row of rows) starts.push(starts.at(-1)! + row.length + 1);

  const at = (start: number, end: number): SourceLocation => {
    const offset = Math.min(start, text.length);
    const line = starts.findIndex((begin) => begin > offset);
    const row = rows[line - 1]!.replace(/\r$/, '');
    const column = Math.min(offset - starts[line - 1]! + 1, row.length + 1);
    // Some of the parser's errors are points: the word there is meant.
    const wanted = end - start > 1 ? end - start : (/^[^\s:,{}[\]]+/.exec(row.slice(column - 1))?.[0].length ?? 1);
    const length = Math.max(1, Math.min(wanted, row.length - column + 1));
    return { file, line, column, length, text: row };
  };

  const locate = (path: DataPath, part: 'key' | 'value' = 'value'): SourceLocation => {
    const found = walk(document, path);
    const node = part === 'key' && found.key ? found.key : (found.value ?? found.key);
    return node?.range ? at(node.range[0], node.range[1]) : at(0, 0);
  };

  // At the end of the text every bracket that is open is missed once: one is enough to tell.
  const first = document.errors.filter(
    ({ pos }, index, all) => all.findIndex((other) => other.pos[0] === pos[0]) === index,
  );
  // What is not closed makes errors of all that follows.
  const unclosed = first.find(({ message }) => / end with a [\]}]/.test(message));
  const errors = unclosed !== undefined && first.length > 3 ? [unclosed] : first;
  const failures = errors.map((error) => {
    const known = explanations[error.code];
    return new Failure({
      doing: `reading ${file}`,
      because: known?.because ?? firstLower(error.message),
      fix: known?.fix ?? 'mend the YAML here; indentation, colons and quotes are what usually goes wrong',
      at: at(error.pos[0], error.pos[1]),
      kind: 'input',
    });
  });

  visit(document, {
    Pair(_, pair) {
      // Plain objects cannot hold it as a key, so it would vanish.
      if (!isScalar(pair.key) || pair.key.value !== '__proto__' || !pair.key.range) return;
      const where = at(pair.key.range[0], pair.key.range[1]);
      const because = 'this name is not allowed';
      failures.push(
        new Failure({ doing: `reading ${file}`, because, fix: 'choose another', at: where, kind: 'input' }),
      );
    },
  });

  let data: unknown;
  if (failures.length === 0) {
    try {
      data = document.toJS({ maxAliasCount: 1000 });
    } catch (error) {
      failures.push(
        new Failure({
          doing: `reading ${file}`,
          because: firstLower(error instanceof Error ? error.message : String(error)),
          fix: 'write the values out instead of aliases',
          at: at(0, 0),
          kind: 'input',
          cause: error,
        }),
      );
    }
  }

  return {
    data,
    failures,
    locate,
    written(path) {
      const { value } = walk(document, path);
      return isScalar(value) && value.range ? text.slice(value.range[0], value.range[1]) : undefined;
    },
  };
}

function walk(document: Document, path: DataPath): { key?: Node; value?: Node } {
  let found: { key?: Node; value?: Node } = document.contents ? { value: document.contents as Node } : {};
  for (const step of path) {
    const parent = resolved(document, found.value);
    if (isMap(parent)) {
      const pair = (parent.items as Pair<Node, Node | null>[]).find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (!pair) return found;
      found = pair.value ? { key: pair.key, value: pair.value } : { key: pair.key };
    } else if (isSeq(parent)) {
      const item = parent.items[Number(step)] as Node | undefined;
      if (!item) return found;
      found = { value: item };
    } else return found;
  }
  return found;
}

function resolved(document: Document, node: Node | undefined): Node | undefined {
  return node && 'resolve' in node ? (node.resolve(document) as Node | undefined) : node;
}

function firstLower(text: string): string {
  const line = text.split('\n')[0]!.replace(/[.:]$/, '');
  return line.charAt(0).toLowerCase() + line.slice(1);
}
