import * as core from '@actions/core';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { channelDeltaOf, publishChannelDelta } from '../project/channel-delta.ts';
import { readChannel } from '../release/channel-store.ts';
import type { ChannelDelta } from '../release/channel-json.ts';
import { promote } from '../release/promote.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { parseVersion } from '../release/version.ts';
import { runAction } from './action.ts';
import { linesInput, requiredInput, textInput, wrongInput } from './inputs.ts';
import { checkOutPagesBranch } from './pages-branch.ts';
import { pagesAddress, pagesFolderInput } from './pages-folder.ts';
import { openActionProject } from './project.ts';
import { addToReleasePage } from './publish-page.ts';
import { signKeyInput } from './sign-key-input.ts';

await runAction(async (context) => {
  const { directory, temporary, token, progress, signal } = context;
  const name = requiredInput('channel');
  const text = textInput('version');
  const given = linesInput('url');
  const validDays = daysInput('valid-days');
  const branch = requiredInput('branch');
  const folder = textInput('deltas');
  const signKey = await signKeyInput();
  if (signKey === undefined) throw wrongInput('sign-key', 'there is no key', 'set it to an OpenPGP private key');
  if (token === undefined) throw wrongInput('token', 'there is none', 'leave `token:` at its default');
  const { config, store } = await openActionProject(context, {});
  const { GITHUB_SERVER_URL: server = 'https://github.com', GITHUB_REPOSITORY: slug = '' } = process.env;
  const repository = `${server}/${slug}`;
  const isNew = (await readChannel(store, name)) === undefined;

  const work = await mkdtemp(path.join(temporary, 'imgbuild-promote-'));
  try {
    const pages = path.join(work, 'pages');
    const site = path.join(pagesFolderInput('folder', pages), name);
    const request = { repository, branch, folder: pages, token, env: process.env, signal };
    const checkedOut = await checkOutPagesBranch(request);
    const deltas = await deltasIn(folder && path.resolve(directory, folder), signal);
    // First the files, then what names them.
    for (const [file, delta] of deltas) await publishChannelDelta(store, file, delta, { progress, signal });
    for (const to of new Set([...deltas.values()].map((delta) => delta.to))) {
      const files = [...deltas].flatMap(([file, delta]) => (delta.to === to ? [file] : []));
      await addToReleasePage({ version: parseVersion(to), files, draft: true, token, progress, signal });
    }
    const promoted = await promote({
      store,
      packages: config.ota.packages,
      channel: name,
      version: text === undefined ? undefined : parseVersion(text),
      urls: given.length === 0 && isNew ? [`${repository}/releases/download/v{version}/{file}`] : given,
      deltas: [...deltas.values()],
      validDays,
      signKey,
      now: new Date(),
      directory: site,
      progress,
    });
    const { channel, ways } = promoted;
    await checkedOut.push(`Promote ${channel.version} to ${name}, number ${channel.sequence}`);
    const address = `${pagesAddress(slug, path.relative(pages, site))}ota.json`;
    core.setOutput('version', channel.version);
    core.setOutput('sequence', String(channel.sequence));
    core.setOutput('expires', channel.expires);
    core.setOutput('address', address);
    const said = `Devices that follow ${name} are to run ${channel.version}. Number ${channel.sequence}, until ${channel.expires}: ${address}`;
    core.info(said);
    const rows = ways.map(({ from, platform, deltas: steps, size }) => {
      return { cells: [from, platform, steps.map(({ file }) => file).join(', '), formatBytes(size)] };
    });
    await context.summary(
      tableSummary(`Channel ${name}`, ['Devices that run', 'Platform', 'Take', 'Size'], rows, said),
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
});

/** The bundles of a folder, by their paths. */
async function deltasIn(folder: string | undefined, signal: AbortSignal): Promise<Map<string, ChannelDelta>> {
  const deltas = new Map<string, ChannelDelta>();
  if (folder === undefined) return deltas;
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw wrongInput('deltas', `${folder} cannot be read (${error.code})`, 'name the folder that holds the bundles');
  });
  for (const name of names.filter((file) => file.endsWith('.ota.tar')).toSorted()) {
    const file = path.join(folder, name);
    deltas.set(file, await channelDeltaOf(file, signal));
  }
  return deltas;
}

function daysInput(name: string): number {
  const text = requiredInput(name);
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text);
  throw wrongInput(name, `${JSON.stringify(text)} is no count of days`, 'write a whole number from 1 on');
}
