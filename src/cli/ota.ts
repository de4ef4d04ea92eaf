import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import type { Trust } from '../delta/verify.ts';
import { openImages } from '../image-source/open.ts';
import { styleFor } from '../report/failure.ts';
import type { AddCommand, CommandContext } from './command.ts';
import { openOptions, platformOf } from './image-options.ts';
import { addDiff } from './ota-diff.ts';

interface TrustOptions {
  keyring?: string;
  allowUnsigned?: boolean;
}

interface VerifyOptions extends TrustOptions {
  from: string;
  platform?: string;
  memory?: string;
}

interface InspectFlags {
  from?: string;
  platform?: string;
  html?: string;
}

export const addOta: AddCommand = (program, contextOf) => {
  const ota = program.command('ota').description('updates for devices: make, look at, check and apply deltas');
  addDiff(ota, contextOf);
  addInspect(ota, contextOf);
  addVerify(ota, contextOf);
  addApply(ota, contextOf);
};

type ContextOf = Parameters<AddCommand>[1];

function addInspect(ota: Command, contextOf: ContextOf): void {
  ota
    .command('inspect')
    .description('say what a delta holds: bytes by filesystem layer, by package and by file')
    .argument('<file>', 'the delta: FILE.ota.tar')
    .option(
      '--from <image>',
      'the image or release that it starts from: for packages, where the delta does not say them',
    )
    .option('--platform <platform>', 'of the source image (default: of this machine)')
    .option('--html <page>', 'write a page with a picture of it, too')
    .option('--json', 'print all of it as one JSON document')
    .action(async (file: string, options: InspectFlags, command) => {
      const context = contextOf(command);
      const { inspectBundle } = await import('../delta/inspect.ts');
      const { adviceOn } = await import('../delta/advice.ts');
      const { renderInspected } = await import('../report/ota.ts');
      const bundle = path.resolve(context.directory, file);
      const size = await stat(bundle).then(
        (info) => info.size,
        () => 0,
      );
      const { signal, progress } = context;
      const from = options.from && (await openImages(options.from, openOptions(context, platformOf(options.platform))));
      let inspected;
      try {
        const { tmpdir } = await import('node:os');
        const inspecting = { signal, progress, temporary: tmpdir(), ...(from ? { from } : {}) };
        inspected = await inspectBundle(bundle, size, inspecting);
      } finally {
        if (from) await from.close();
      }
      if (options.html !== undefined) {
        const { otaPage } = await import('../report/ota-page.ts');
        const page = path.resolve(context.directory, options.html);
        await writePage(page, otaPage(inspected));
      }
      print(context, { ...inspected, advice: adviceOn(inspected) }, () =>
        renderInspected(inspected, styleFor(context.stdout, process.env)),
      );
    });
}

function addVerify(ota: Command, contextOf: ContextOf): void {
  ota
    .command('verify')
    .description('apply a delta to its source image without an engine, and compare all that comes out')
    .argument('<file>', 'the delta: FILE.ota.tar')
    .requiredOption('--from <image>', 'the image or release that it starts from')
    .option('--keyring <file>', 'the keys of which one must have signed it')
    .option('--allow-unsigned', 'check the contents alone')
    .option('--platform <platform>', 'of the source image (default: of this machine)')
    .option('--memory <mib>', 'what a delta may need (default: 64)')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (file: string, options: VerifyOptions, command) => {
      const context = contextOf(command);
      const { verifyBundle } = await import('../delta/verify.ts');
      const { renderVerified } = await import('../report/ota.ts');
      const { tmpdir } = await import('node:os');
      const trust = trustOf(context, options, 'checking');
      const from = await openImages(options.from, openOptions(context, platformOf(options.platform)));
      try {
        const verified = await verifyBundle({
          path: path.resolve(context.directory, file),
          from,
          trust,
          temporary: tmpdir(),
          ...memoryOf(options.memory),
          progress: context.progress,
          signal: context.signal,
        });
        print(context, verified, () => renderVerified(verified, styleFor(context.stdout, process.env)));
      } finally {
        await from.close();
      }
    });
}

function addApply(ota: Command, contextOf: ContextOf): void {
  ota
    .command('apply')
    .description('update the Docker of this host (or of DOCKER_HOST) by a delta')
    .argument('<file>', 'the delta: FILE.ota.tar')
    .option('--keyring <file>', 'the keys of which one must have signed it')
    .option('--allow-unsigned', 'take it whoever made it')
    .option('--state <dir>', 'where it is kept which release runs (default: /var/lib/imgbuild)')
    .option('--memory <mib>', 'what a delta may need (default: 64)')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (file: string, options: TrustOptions & { state?: string; memory?: string }, command) => {
      const context = contextOf(command);
      const { applyBundle } = await import('../delta/apply/apply.ts');
      const { defaultState } = await import('../delta/apply/current.ts');
      const { connectEngine } = await import('../image-source/docker-engine.ts');
      const { renderApplied } = await import('../report/ota.ts');
      const applied = await applyBundle({
        path: path.resolve(context.directory, file),
        trust: trustOf(context, options, 'applying'),
        engine: connectEngine(),
        ...memoryOf(options.memory),
        state: path.resolve(context.directory, options.state ?? defaultState),
        progress: context.progress,
        signal: context.signal,
      });
      print(context, applied, () => renderApplied(applied, styleFor(context.stdout, process.env)));
    });
}

/** Whom to believe must be said: a file from anywhere is not loaded because nobody thought of it. */
function trustOf(context: CommandContext, options: TrustOptions, doing: string): Trust {
  if (options.keyring !== undefined && options.allowUnsigned !== true) {
    return { keyring: path.resolve(context.directory, options.keyring) };
  }
  if (options.keyring === undefined && options.allowUnsigned === true) return 'anyone';
  throw new Failure({
    doing: `${doing} a delta`,
    because:
      options.keyring === undefined ? 'no keyring is given' : '--keyring and --allow-unsigned exclude each other',
    fix: 'give --keyring FILE with the keys that may have signed it, or --allow-unsigned',
    kind: 'input',
  });
}

function memoryOf(text: string | undefined): { memory?: number } {
  if (text === undefined) return {};
  if (/^[0-9]{1,6}$/.test(text)) return { memory: Number(text) * 2 ** 20 };
  const because = `${JSON.stringify(text)} is no number of MiB`;
  throw new Failure({ doing: 'reading --memory', because, fix: 'write one, such as 128', kind: 'input' });
}

async function writePage(page: string, text: string): Promise<void> {
  const { replaceFile } = await import('../files/durable-write.ts');
  await replaceFile(page, (handle) => handle.writeFile(text)).catch((error: NodeJS.ErrnoException) => {
    const because = error.code === 'ENOENT' ? 'there is no such folder' : error.message;
    throw new Failure({
      doing: `writing ${page}`,
      because,
      fix: 'name a file in a folder that can be written',
      cause: error,
    });
  });
}

function print(context: CommandContext, value: unknown, render: () => string): void {
  context.stdout.write(context.json ? `${JSON.stringify(value)}\n` : render());
}
