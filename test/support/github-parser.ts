/**
 * Checks workflow files and action.yml files with GitHub's own parser and prints what it finds, a line each.
 * Run as `node --import json-import.ts github-parser.ts ROOT FILE…`; a file is a path below ROOT.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { validate } from '@actions/languageservice/validate';
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { ErrorPolicy } from '@actions/workflow-parser/model/convert';
import { TextDocument } from 'vscode-languageserver-textdocument';

const [root, ...files] = process.argv.slice(2) as [string, ...string[]];
const read = (name: string) => ({ name, content: readFileSync(path.join(root, name), 'utf8') });

/** Workflows that a caller names as ours are ours at this commit; those of others are not looked at. */
const fileProvider = {
  async getFileContent(reference: { path: string; owner?: string; repository?: string }) {
    const { owner, repository } = reference;
    if (repository !== undefined && `${owner}/${repository}` !== 'org/imgbuild') throw new Error('not ours');
    return read(reference.path.replace(/^\$\//, ''));
  },
};

for (const file of files) {
  if (path.basename(file) === 'action.yml') {
    const document = TextDocument.create(`file:///${file}`, 'yaml', 1, read(file).content);
    for (const { message, range } of await validate(document)) {
      console.log(`${file} (Line: ${range.start.line + 1}): ${message}`);
    }
    continue;
  }
  const { context, value } = parseWorkflow(read(file), new NoOperationTraceWriter());
  if (value) {
    await convertWorkflowTemplate(context, value, fileProvider as never, {
      fetchReusableWorkflowDepth: 1,
      errorPolicy: ErrorPolicy.TryConversion,
    });
  }
  for (const error of context.errors.getErrors()) console.log(error.message);
}
